import re

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmpose.datasets.datasets import Human36mDataset
from mmpose.registry import DATASETS
from part_synth.datasets import LAYOUTS, PoseFrameDataset, person_crop_pipeline
from part_synth.datasets.validation import validate_data_set
from part_synth.geometry import H36M17, PART_FLIP_INDICES, project, world_to_camera


def plain(root, **options):
    return PoseFrameDataset(root, crop={"size": 32}, **options)


def test_is_built_from_a_config(h36m_root):
    config = {"type": "part_synth.PoseFrameDataset", "data_root": str(h36m_root), "split": "val"}
    with pytest.raises(FileNotFoundError, match=r"val\.npz"):
        DATASETS.build(config)
    built = DATASETS.build({**config, "split": "test", "pipeline": person_crop_pipeline(size=16)})
    assert built[0]["inputs"]["image"].shape == (1, 3, 16, 16)
    assert built.metainfo["num_keypoints"] == 17


def test_a_sample_holds_what_the_contract_says(h36m_root):
    sample = plain(h36m_root, split="test")[3]
    image, data = sample["inputs"]["image"], sample["data_samples"]
    assert image.shape == (1, 3, 32, 32)
    assert image.dtype == torch.uint8
    truth = data.gt_instances
    shapes = {name: tuple(value.shape) for name, value in truth.items()}
    assert shapes == {
        "lifting_target": (1, 17, 3),
        "lifting_target_visible": (1, 17),
        "keypoints": (1, 17, 2),
        "keypoints_visible": (1, 17),
        "crop_keypoints": (1, 17, 2),
    }
    assert data.gt_fields.part_labels.shape == (1, 32, 32)
    assert data.gt_fields.part_labels.dtype == np.uint8
    # Workers send arrays as bytes, tensors as file descriptors.
    assert all(isinstance(value, np.ndarray) for value in truth.values())
    meta = data.metainfo
    assert (meta["subject"], meta["action"], meta["clip"]) == ("S9", "Walk", "Walk")
    assert meta["camera"] in ("54138969", "60457274")
    assert meta["input_size"] == (32, 32)
    assert meta["crop_box"].shape == (1, 3)
    assert meta["camera_rotation"].shape == (3, 3)
    camera = meta["camera_param"]
    pixels = project(
        torch.from_numpy(truth.lifting_target[0]),
        torch.from_numpy(camera["focal"]),
        torch.from_numpy(camera["centre"]),
    )
    np.testing.assert_allclose(pixels, truth.keypoints[0], atol=1e-3, rtol=0)


def test_reads_what_mmpose_reads(h36m_root, tmp_path, monkeypatch):
    # mmpose looks for its own meta file relative to the working directory first.
    monkeypatch.chdir(tmp_path)
    theirs = Human36mDataset(
        ann_file="annotation_body3d/train.npz",
        data_root=str(h36m_root),
        data_prefix={"img": "images/"},
        camera_param_file="annotation_body3d/cameras.pkl",
    )
    ours = plain(h36m_root, split="train")
    assert len(ours) == len(theirs) > 50
    by_path = {}
    for i in range(len(ours)):
        info = ours.get_data_info(i)
        by_path[info["img_path"][0]] = info
    for i in range(len(theirs)):
        expected = theirs.get_data_info(i)
        info = by_path[str(h36m_root / "images" / expected["target_img_path"][0])]
        np.testing.assert_array_equal(info["joints"], expected["lifting_target"])
        np.testing.assert_array_equal(info["joints_visible"], expected["lifting_target_visible"])
        np.testing.assert_array_equal(info["keypoints"], expected["keypoints"])
        np.testing.assert_allclose(info["box"][:, 2], 200 * expected["scale"], rtol=1e-6)
        np.testing.assert_array_equal(info["box"][:, :2], expected["center"])
        camera = expected["camera_param"]
        np.testing.assert_allclose(info["camera"]["focal"][0], camera["f"][:, 0], rtol=1e-6)
        np.testing.assert_allclose(info["camera"]["rotation"][0], camera["R"].T, atol=1e-6)


def test_camera_of_a_sample_agrees_with_the_geometry_package(h36m_root):
    index = plain(h36m_root, split="train").index
    groups = index.group_by("subject", "clip", "frame")
    first, second = groups[5]
    rotation = index.cameras.rotation[index.camera_id[[first, second]]]
    position = index.cameras.position[index.camera_id[[first, second]]]
    world = index.joints[first].astype(np.float64) @ rotation[0] + position[0]
    again = world_to_camera(
        torch.from_numpy(world),
        torch.from_numpy(rotation[1].T.copy()),
        torch.from_numpy(position[1]),
    )
    np.testing.assert_allclose(again.numpy(), index.joints[second], atol=1e-5)


def test_a_flip_mirrors_everything(h36m_root):
    crop = {"size": 48, "background": "median"}
    straight = PoseFrameDataset(h36m_root, split="train", crop=crop)
    mirrored = PoseFrameDataset(h36m_root, split="train", crop={**crop, "flip": 1.0})
    for i in (0, 17, 40):
        one, two = straight[i], mirrored[i]
        # A crop of a mirrored box samples the same places: equal up to rounding of the weights.
        for name in ("image", "background"):
            difference = one["inputs"][name].flip(-1).int() - two["inputs"][name].int()
            assert difference.abs().max() <= 8
        labels = np.array(PART_FLIP_INDICES)[one["data_samples"].gt_fields.part_labels]
        equal = labels[..., ::-1] == two["data_samples"].gt_fields.part_labels
        assert equal.mean() > 0.97
        swap = list(H36M17.flip_indices)
        left, right = one["data_samples"].gt_instances, two["data_samples"].gt_instances
        negate = np.float32([-1, 1, 1])
        for name, sign in (("lifting_target", negate), ("crop_keypoints", negate[:2])):
            np.testing.assert_allclose(left[name][:, swap] * sign, right[name], atol=1e-5)
        # The mirrored camera still projects the mirrored joints, and is a rotation.
        meta = two["data_samples"].metainfo
        camera = {name: torch.from_numpy(value) for name, value in meta["camera_param"].items()}
        joints = torch.from_numpy(right.lifting_target[0])
        pixels = project(joints, camera["focal"], camera["centre"])
        np.testing.assert_allclose(pixels, right.keypoints[0], atol=1e-3, rtol=0)
        assert np.linalg.det(meta["camera_rotation"]) == pytest.approx(1.0, abs=1e-5)
        assert meta["flip"]


def test_a_sample_is_a_function_of_seed_epoch_and_index(h36m_root):
    crop = {"size": 24, "shift": 0.1, "scale": 0.1, "flip": 0.5}
    data, again, other = (
        PoseFrameDataset(h36m_root, split="train", crop=crop, seed=seed) for seed in (1, 1, 2)
    )
    count = len(data)
    # Read in another order, by another object.
    first = [data[i] for i in (5, count + 5, 9)]
    second = [again[i] for i in (9, count + 5, 5)][::-1]
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one["inputs"]["image"], two["inputs"]["image"])
    boxes = [sample["data_samples"].crop_box[0] for sample in (*first[:2], other[5])]
    assert not np.allclose(boxes[0], boxes[1])
    assert not np.allclose(boxes[0], boxes[2])
    # The annotations themselves are never changed.
    np.testing.assert_array_equal(data.index.joints, other.index.joints)


def test_jitter_stays_in_its_range(h36m_root):
    crop = {"size": 8, "shift": 0.1, "scale": 0.2, "padding": 1.5}
    data = PoseFrameDataset(h36m_root, split="train", crop=crop)
    info = [data.get_data_info(i)["box"][0] for i in range(60)]
    drawn = [data[i]["data_samples"].crop_box[0] for i in range(60)]
    info, drawn = np.array(info), np.array(drawn)
    scale = drawn[:, 2] / (1.5 * info[:, 2])
    shift = (drawn[:, :2] - info[:, :2]) / (1.5 * info[:, 2:])
    assert 0.8 <= scale.min() < 0.85
    assert 1.15 < scale.max() <= 1.2
    assert np.abs(shift).max() <= 0.1 + 1e-6
    assert np.abs(shift).max() > 0.09


def test_no_label_reaches_a_sample_without_labels(h36m_root):
    sample = PoseFrameDataset(h36m_root, split="train", crop={"size": 8, "labels": False})[0]
    assert "gt_instances" not in sample["data_samples"]
    assert "gt_fields" not in sample["data_samples"]


def test_subsets_and_wrappers_of_mmengine(h36m_root):
    data = plain(h36m_root, split="train", indices=7, lazy_init=True)
    data.full_init()
    assert len(data) == 7
    both = ConcatDataset([data, plain(h36m_root, split="train", indices=[0, 2])])
    assert len(both) == 9
    path = plain(h36m_root, split="train")[2]["data_samples"].img_path
    assert both[8]["data_samples"].img_path == path


def test_frame_step_counts_within_a_video(h36m_root):
    data = plain(h36m_root, split="train", frame_step=5)
    frames = [data.get_data_info(i)["frame"][0] for i in range(3)]
    assert frames == [1, 6, 11]
    assert len(data) == 3 * 2 * 2 * 2


def test_the_synthetic_set_is_made_first(h36m_root, monkeypatch):
    import part_synth.datasets.synthetic as synthetic

    calls = []
    monkeypatch.setattr(
        synthetic,
        "ensure_synthetic_mocap",
        lambda root, **recipe: calls.append((root, recipe)),
        raising=False,
    )
    plain(h36m_root, split="train", synthetic={"seed": 3})
    assert calls == [(str(h36m_root), {"seed": 3})]


def test_a_new_layout_needs_no_change_elsewhere(h36m_root):
    Human36m = LAYOUTS.get("h36m")

    @LAYOUTS.register_module(name="other", force=True)
    class Other(Human36m):
        layout = "other"

    try:
        assert len(plain(h36m_root, layout="other", split="test")) == 48
    finally:
        LAYOUTS._module_dict.pop("other")


def test_unknown_layout(h36m_root):
    with pytest.raises(ValueError, match=r"no layout 'coco'.*h36m.*mpi_inf_3dhp"):
        plain(h36m_root, layout="coco")


def test_pipeline_and_crop_exclude_each_other(h36m_root):
    with pytest.raises(ValueError, match="either `pipeline` or `crop`"):
        PoseFrameDataset(h36m_root, pipeline=[], crop={})


def test_a_sample_is_never_replaced(h36m_root):
    data = PoseFrameDataset(h36m_root, split="train", pipeline=[lambda results: None])
    with pytest.raises(ValueError, match="must return a sample or raise"):
        data[0]


@pytest.mark.parametrize(
    ("name", "value"), [("scale", 0.0), ("scale", -1.0), ("scale", np.nan), ("center", np.inf)]
)
def test_boxes_that_cut_nothing_out_are_refused(h36m_copy, name, value):
    path = h36m_copy / "annotation_body3d" / "train.npz"
    arrays = dict(np.load(path))
    arrays[name][[3, 8]] = value
    np.savez(path, **arrays)
    data = PoseFrameDataset(h36m_copy, split="train", lazy_init=True)
    first = re.escape(str(arrays["imgname"][3]))
    message = rf"h36m: 2 of \d+ frames have no box .* first is {first} with .*validate\.py"
    with pytest.raises(ValueError, match=message):
        data.full_init()
    # What is not used is not looked at; validate.py still reads the file and lists the frames.
    findings, _ = validate_data_set(h36m_copy)
    assert any(name in finding.message for finding in findings)
