from pathlib import Path

import mmpose
import pytest
import torch
from mmengine.config import Config
from part_synth.geometry import H36M17, skeleton_from_names
from part_synth.geometry.keypoint_layouts import (
    KEYPOINT_LAYOUTS,
    KeypointLayout,
    keypoint_layout,
    to_h36m17,
)

DATASETS = Path(mmpose.__file__).parent / ".mim" / "configs" / "_base_" / "datasets"
# Joints of mmpose that have another name for the same place.
RENAMED = {"top_head": "head_top"}
# Figures drawn by hand: +x is the person's LEFT, y down, hips at 0, shoulders at -10.
PERSON = {
    "nose": (0, -15),
    "eye": (1, -16),
    "ear": (2, -15.6),
    "shoulder": (4, -10),
    "elbow": (5, -5),
    "wrist": (6, 0),
    "hip": (2, 0),
    "knee": (2.5, 9),
    "ankle": (3, 18),
    "neck": (0, -11),
    "head_top": (0, -19),
    "head_bottom": (0, -13),
    "upper_neck": (0, -13),
    "thorax": (0, -10),
    "pelvis": (0, 0),
    "mid_hip": (0, 0),
    "root": (0, 0),
    "spine": (0, -4.5),
    "head": (0, -13),
    "foot": (3, 18),
    "neck_base": (0, -13),
}


def place(name):
    side, _, part = name.partition("_")
    if side in ("left", "right"):
        x, y = PERSON[part]
        return (x if side == "left" else -x), y
    return PERSON[name]


def drawn(layout):
    points = torch.full((layout.num_joints, 2), 99.0, dtype=torch.float64)
    points[: len(layout.joint_names)] = torch.tensor(
        [place(n) for n in layout.joint_names]
    ).double()
    return points


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("h36m", "h36m"),
        ("coco", "coco"),
        ("coco_wholebody", "coco_wholebody"),
        ("halpe26", "halpe26"),
        ("halpe136", "halpe"),
        ("openpose18", "coco_openpose"),
        ("mpii", "mpii"),
        ("mpi_inf_3dhp", "mpi_inf_3dhp"),
        ("aic", "aic"),
        ("crowdpose", "crowdpose"),
        ("posetrack18", "posetrack18"),
    ],
)
def test_joint_order_is_that_of_mmpose(name, file):
    info = Config.fromfile(DATASETS / f"{file}.py").dataset_info
    names = [info.keypoint_info[i]["name"] for i in range(len(info.keypoint_info))]
    layout = KEYPOINT_LAYOUTS[name]
    assert layout.num_joints == len(names)
    ours = layout.joint_names
    assert [RENAMED.get(n, n) for n in names[: len(ours)]] == list(ours)
    # What mmpose calls the data set finds the layout, too.
    assert keypoint_layout(info.dataset_name) is layout


def test_openpose_order_as_its_documentation_lists_it():
    """BODY_25 of OpenPose's doc/02_output.md, written down by hand."""
    listed = {0: "nose", 1: "neck", 2: "right_shoulder", 4: "right_wrist", 7: "left_wrist"}
    listed |= {8: "mid_hip", 9: "right_hip", 11: "right_ankle", 12: "left_hip", 14: "left_ankle"}
    listed |= {15: "right_eye", 16: "left_eye", 17: "right_ear", 18: "left_ear"}
    names = KEYPOINT_LAYOUTS["body25"].joint_names
    assert {i: names[i] for i in listed} == listed
    assert len(names) == 19


@pytest.mark.parametrize("name", KEYPOINT_LAYOUTS)
def test_every_layout_gives_the_same_person(name):
    layout = KEYPOINT_LAYOUTS[name]
    points, visible = to_h36m17(drawn(layout), layout=name)
    assert points.shape == (17, 2) and visible.all()
    expected = torch.tensor([place(n) for n in H36M17.joint_names]).double()
    # The neck of 3DHP and the joints of the head lie elsewhere in each layout.
    rough = [H36M17.index(joint) for joint in ("thorax", "neck_base", "head")]
    exact = [j for j in range(17) if j not in rough]
    torch.testing.assert_close(points[exact], expected[exact])
    # On the midline, each above the one before, below the top of the head.
    assert (points[rough, 0] == 0).all()
    thorax, neck, head = points[rough, 1].tolist()
    assert -11 <= thorax <= -10 and -14 < neck < -12 and -19 <= head < -12.9
    torch.testing.assert_close(layout.weights.sum(1), torch.ones(17, dtype=torch.float64))


@pytest.mark.parametrize("name", KEYPOINT_LAYOUTS)
def test_mirrored_weights_are_the_weights_of_the_other_side(name):
    layout = KEYPOINT_LAYOUTS[name]
    swap = {"left": "right", "right": "left"}
    order = []
    for joint in layout.joint_names:
        side, _, rest = joint.partition("_")
        order.append(layout.joint_names.index(f"{swap[side]}_{rest}" if side in swap else joint))
    order += range(len(order), layout.num_joints)
    torch.testing.assert_close(layout.weights[H36M17.flip_indices][:, order], layout.weights)


def test_coco_written_out():
    torch.manual_seed(0)
    points = torch.rand(3, 2, 17, 2, dtype=torch.float64)
    got, _ = to_h36m17(points, layout="coco")
    hips, shoulders = points[..., 11:13, :].mean(-2), points[..., 5:7, :].mean(-2)
    torch.testing.assert_close(got[..., 0, :], hips)
    torch.testing.assert_close(got[..., 7, :], 0.55 * hips + 0.45 * shoulders)
    torch.testing.assert_close(got[..., 8, :], shoulders)
    torch.testing.assert_close(got[..., 9, :], 0.5 * shoulders + 0.5 * points[..., 0, :])
    torch.testing.assert_close(got[..., 10, :], points[..., 1:5, :].mean(-2))
    limbs = [12, 14, 16, 11, 13, 15, 5, 7, 9, 6, 8, 10]
    torch.testing.assert_close(
        got[..., [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16], :], points[..., limbs, :]
    )


def test_3dhp_is_taken_over_as_its_loader_does():
    order = skeleton_from_names(KEYPOINT_LAYOUTS["mpi_inf_3dhp"].joint_names)
    expected = torch.eye(17, dtype=torch.float64)[order]
    torch.testing.assert_close(KEYPOINT_LAYOUTS["mpi_inf_3dhp"].weights, expected)


def test_a_joint_is_missing_with_any_of_its_keypoints():
    points = torch.rand(2, 133, 2)
    visible = torch.ones(2, 133, dtype=torch.bool)
    visible[0, 11] = False  # left hip
    visible[0, 3] = False  # left ear
    points[1, 0] = torch.nan  # nose
    points[1, 100] = torch.inf  # not used
    got, seen = to_h36m17(points, visible, "coco_wholebody")
    missing = [{H36M17.joint_names[j] for j in (~row).nonzero()[:, 0]} for row in seen]
    assert missing == [{"root", "left_hip", "spine", "head"}, {"neck_base"}]
    assert torch.equal(torch.isnan(got).any(-1), ~seen)


def test_no_keypoints_at_all():
    points, visible = to_h36m17(torch.zeros(0, 17, 2))
    assert points.shape == (0, 17, 2) and visible.shape == (0, 17)


def test_mistakes():
    with pytest.raises(ValueError, match=r"No keypoint layout is called 'koko'.*h36m \(17\), coco"):
        to_h36m17(torch.zeros(17, 2), layout="koko")
    with pytest.raises(
        ValueError,
        match=r"Layout 'coco' has 17 joints, got keypoints of 16 \(layouts of 16: mpii\)",
    ):
        to_h36m17(torch.zeros(3, 16, 2), layout="coco")
    with pytest.raises(ValueError, match=r"got keypoints of 15 \(none has 15\)"):
        to_h36m17(torch.zeros(15, 2), layout="coco")
    with pytest.raises(ValueError, match="must have shape"):
        to_h36m17(torch.zeros(17, 3))


def test_recipes_are_checked():
    recipe = dict(KEYPOINT_LAYOUTS["h36m"].recipe)
    with pytest.raises(ValueError, match="must sum to 1"):
        KeypointLayout("x", H36M17.joint_names, 17, {**recipe, "root": {"head": 0.5}})
    with pytest.raises(ValueError, match="no joints tail"):
        KeypointLayout("x", H36M17.joint_names, 17, {**recipe, "root": {"tail": 1.0}})
    with pytest.raises(ValueError, match="the 17 Human"):
        KeypointLayout("x", H36M17.joint_names, 17, {"root": {"root": 1.0}})
