"""BVH files read back by the package's reader, which has its own forward kinematics."""

import numpy as np
import pytest
from part_synth.datasets.bvh import joints_of_bvh, read_bvh
from part_synth.datasets.motion_io import load_motions
from part_synth.outputs import write_bvh
from tiny_videos import motion_sequence

_TO_FILE = np.array([1.0, -1.0, -1.0])


def expected(sequence, person):
    """(T, 17, 3) metres, the file's frame; NaN where there is no pose."""
    out = np.full((sequence.num_frames, 17, 3), np.nan)
    rows = sequence.person_ids == person
    out[sequence.frames[rows]] = sequence.joints[rows] / 1000 * _TO_FILE
    return out


@pytest.mark.parametrize("person", [0, 1])
def test_joints_come_back_to_less_than_a_millimetre(tmp_path, person):
    sequence = motion_sequence(num_frames=40)
    path = write_bvh(tmp_path / "walk.bvh", sequence, person)
    motion = read_bvh(path)
    assert motion.fps == pytest.approx(25) and len(motion.values) == 40
    joints = joints_of_bvh(motion)
    error = np.linalg.norm(joints - joints[:, :1] - expected(sequence, person), axis=-1)
    # Frame 3 has no pose, person 1 comes at frame 5.
    seen = np.isfinite(error).all(1)
    assert seen.sum() == (sequence.person_ids == person).sum()
    assert error[seen].max() < 1e-3
    assert np.isfinite(joints).all()


def test_the_root_walks_where_its_position_is_known(tmp_path):
    sequence = motion_sequence(root=True, people=1)
    path = write_bvh(tmp_path / "walk.bvh", sequence, 0)
    root = joints_of_bvh(read_bvh(path))[:, 0]
    np.testing.assert_allclose(root[sequence.frames], sequence.root / 1000 * _TO_FILE, atol=1e-5)


def test_any_pose_is_reproduced(tmp_path):
    """Directions of all kinds, arms straight up among them."""
    sequence = motion_sequence(num_frames=30, people=1)
    rng = np.random.default_rng(0)
    parents = [0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]
    lengths = rng.uniform(100, 400, 16)
    lengths[[6, 7]] = 230, 260  # the reader tells the spine by its place
    lengths[[8, 9]] = 110, 120
    joints = np.zeros((len(sequence), 17, 3))
    for child, parent in enumerate(parents, 1):
        direction = rng.normal(size=(len(sequence), 3))
        if child == 12:
            direction[:] = [0, -1, 0]
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        joints[:, child] = joints[:, parent] + lengths[child - 1] * direction
    sequence.joints = joints.astype(np.float32)
    joints = joints_of_bvh(read_bvh(write_bvh(tmp_path / "any.bvh", sequence, 0)))
    error = np.linalg.norm(joints - joints[:, :1] - expected(sequence, 0), axis=-1)
    assert np.nanmax(error) < 1e-3


def test_the_file_is_a_motion_like_any_other(tmp_path):
    path = write_bvh(tmp_path / "walk.bvh", motion_sequence(num_frames=40, people=1), 0)
    clips = load_motions(path)
    assert clips.xyz.shape == (40, 17, 3)


def test_bones_are_constant_and_none_is_nothing(tmp_path):
    sequence = motion_sequence(people=1)
    sequence.joints[:, 10] = sequence.joints[:, 9]
    motion = read_bvh(write_bvh(tmp_path / "walk.bvh", sequence, 0))
    head = motion.names.index("Head.end")
    assert np.linalg.norm(motion.offsets[head]) == pytest.approx(1e-3)


def test_somebody_who_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="Person 7 has no 3D pose"):
        write_bvh(tmp_path / "none.bvh", motion_sequence(), 7)
