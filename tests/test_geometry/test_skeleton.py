from pathlib import Path

import mmpose
import pytest
import torch
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from part_synth.geometry import (
    H36M17,
    PART_FLIP_INDICES,
    PART_NAMES,
    Skeleton,
    skeleton_from_names,
)

MPI_3DHP = (
    *("head_top", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder"),
    *("left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip"),
    *("left_knee", "left_ankle", "root", "spine", "head"),
)


def test_h36m17_is_the_order_of_mmpose():
    config = Path(mmpose.__file__).parent / ".mim/configs/_base_/datasets/h36m.py"
    meta = parse_pose_metainfo({"from_file": str(config)})
    assert list(H36M17.joint_names) == [meta["keypoint_id2name"][i] for i in range(17)]
    assert H36M17.flip_indices == list(meta["flip_indices"])


def test_tree():
    assert H36M17.num_joints == 17
    assert [child for _, child in H36M17.limbs] == list(range(1, 17))
    assert all(H36M17.parents[child] == parent for parent, child in H36M17.limbs)
    assert H36M17.levels[0] == [0]
    assert sorted(j for level in H36M17.levels for j in level) == list(range(17))
    for above, level in zip(H36M17.levels, H36M17.levels[1:], strict=False):
        assert all(H36M17.parents[j] in above for j in level)


def test_flip_exchanges_the_sides_and_nothing_else():
    def other_side(name):
        swap = {"left": "right", "right": "left"}
        side, _, rest = name.partition("_")
        return f"{swap[side]}_{rest}" if side in swap else name

    for names, flip in (
        (H36M17.joint_names, H36M17.flip_indices),
        (PART_NAMES, PART_FLIP_INDICES),
    ):
        assert [names[i] for i in flip] == [other_side(name) for name in names]


def test_index_names_the_joints_when_it_fails():
    assert H36M17.index("left_wrist") == 13
    with pytest.raises(ValueError, match=r"No joint 'hand'.*right_wrist"):
        H36M17.index("hand")


@pytest.mark.parametrize(
    ("names", "parents", "pairs", "message"),
    [
        (("a", "b"), (-1,), (), "2 names and 1 parents"),
        (("a", "a"), (-1, 0), (), "must differ"),
        (("a", "b"), (-1, -1), (), r"roots \[0, 1\]"),
        (("a", "b", "c"), (-1, 2, 0), (), r"joints \[1\]"),
        (("a", "b"), (-1, 0), ((0, 2),), "existing joints"),
        (("a", "b"), (-1, 0), ((1, 1),), "once each"),
    ],
)
def test_impossible_trees_are_refused(names, parents, pairs, message):
    with pytest.raises(ValueError, match=message):
        Skeleton(names, parents, pairs)


def test_own_names_map_to_themselves_in_any_order():
    assert skeleton_from_names(H36M17.joint_names) == list(range(17))
    shuffled = torch.randperm(17, generator=torch.Generator().manual_seed(1)).tolist()
    names = [H36M17.joint_names[i] for i in shuffled]
    assert [names[i] for i in skeleton_from_names(names)] == list(H36M17.joint_names)


def test_mpi_inf_3dhp_names():
    order = skeleton_from_names(MPI_3DHP)
    assert sorted(order) == list(range(17))
    assert [MPI_3DHP[order[H36M17.index(n)]] for n in ("thorax", "neck_base", "head")] == [
        "neck",
        "head",
        "head_top",
    ]
    assert MPI_3DHP[order[H36M17.index("left_foot")]] == "left_ankle"


def test_bvh_and_asf_names():
    bvh = [
        side + name for side in ("Left", "Right") for name in ("UpLeg", "Leg", "Foot", "ToeBase")
    ]
    bvh += [side + name for side in ("Left", "Right") for name in ("Arm", "ForeArm", "Hand")]
    bvh += ["Hips", "LHipJoint", "Spine", "Neck", "Neck1", "Head"]
    order = skeleton_from_names(bvh)
    assert bvh[order[H36M17.index("left_knee")]] == "LeftLeg"
    assert bvh[order[H36M17.index("right_shoulder")]] == "RightArm"
    asf = [side + name for side in ("l", "r") for name in ("femur", "tibia", "foot")]
    asf += [side + name for side in ("l", "r") for name in ("humerus", "radius", "hand")]
    asf += ["root", "lowerback", "thorax", "upperneck", "head"]
    order = skeleton_from_names(asf)
    assert asf[order[H36M17.index("left_hip")]] == "lfemur"
    assert asf[order[H36M17.index("right_elbow")]] == "rradius"


def test_missing_and_repeated_names_are_told():
    with pytest.raises(ValueError, match="Cannot find head among"):
        skeleton_from_names([n for n in H36M17.joint_names if n != "head"])
    with pytest.raises(ValueError, match="must differ"):
        skeleton_from_names([*H36M17.joint_names, "Head"])
