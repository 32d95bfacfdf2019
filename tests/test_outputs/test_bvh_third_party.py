"""BVH files read by the package ``bvh``; the joints by rotations of SciPy."""

import bvh
import numpy as np
import pytest
from part_synth.outputs import write_bvh
from scipy.spatial.transform import Rotation
from tiny_videos import motion_sequence

# The file's name of each Human3.6M joint; None: the end of the head.
JOINTS = ["Hips", "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg", "LeftFoot"]
JOINTS += ["Spine", "Neck", "Head", None, "LeftArm", "LeftForeArm", "LeftHand"]
JOINTS += ["RightArm", "RightForeArm", "RightHand"]


def positions(tree):
    """{name: (T, 3)} of all joints, and the end of the head under None."""
    turns, places = {}, {}
    for name in tree.get_joints_names():
        channels = tree.joint_channels(name)
        rotation = [c for c in channels if c.endswith("rotation")]
        angles = np.array(tree.frames_joint_channels(name, rotation))
        # Capitals: each axis turns with those before it, as BVH has it.
        local = Rotation.from_euler("".join(c[0] for c in rotation), angles, degrees=True)
        parent = tree.joint_parent(name)
        if parent is None:
            moves = [f"{axis}position" for axis in "XYZ"]
            turns[name] = local
            places[name] = np.array(tree.frames_joint_channels(name, moves))
            continue
        turns[name] = turns[parent.name] * local
        places[name] = places[parent.name] + turns[parent.name].apply(tree.joint_offset(name))
    (end,) = tree.get_joint("Head").filter("End")
    offset = np.array([float(v) for v in end["OFFSET"]])
    places[None] = places["Head"] + turns["Head"].apply(offset)
    return places


@pytest.mark.parametrize("root", [False, True])
def test_joints_are_where_they_were(tmp_path, root):
    sequence = motion_sequence(num_frames=30, people=1, root=root)
    tree = bvh.Bvh(write_bvh(tmp_path / "walk.bvh", sequence, 0).read_text())
    assert tree.nframes == 30 and tree.frame_time == pytest.approx(1 / 25)
    places = positions(tree)
    joints = np.stack([places[name] for name in JOINTS], axis=1)[sequence.frames]
    expected = sequence.joints / 1000 * [1, -1, -1]
    error = np.linalg.norm(joints - joints[:, :1] - expected, axis=-1)
    assert error.max() < 1e-3  # metres
    if root:
        np.testing.assert_allclose(joints[:, 0], sequence.root / 1000 * [1, -1, -1], atol=1e-5)
