import numpy as np
import pytest
import torch
from data_factory import make_tiny_h36m
from mmengine.runner import Runner
from part_synth.datasets import (
    EpochSeededSampler,
    Human36mFrames,
    KeypointClipDataset,
    keypoint_clips,
    take_batch,
)
from part_synth.evaluation import PoseMetric
from part_synth.geometry import BONES_TOTAL, H36M17, bones_total, flat_points
from part_synth.registry import DATASETS


@pytest.fixture(scope="module")
def index(h36m_root):
    return Human36mFrames.from_disk(h36m_root, split="train")


@pytest.fixture(scope="module")
def labelled(h36m_root):
    return KeypointClipDataset(h36m_root, split="train", labels=True)


def everything(dataset):
    return dataset.__getitems__(range(len(dataset)))["inputs"]


def test_is_built_from_a_config(h36m_root):
    config = {"type": "part_synth.KeypointClipDataset", "data_root": str(h36m_root)}
    built = DATASETS.build({**config, "split": "test", "num_frames": 3})
    assert built[0]["inputs"]["points"].shape == (3, 17, 2)
    assert built.metainfo["num_keypoints"] == 17


def test_no_label_is_in_memory_of_a_training_set(h36m_root):
    dataset = KeypointClipDataset(h36m_root, split="train", real=True)
    assert set(dataset[0]["inputs"]) == {"points", "rotation", "real"}
    assert dataset._joints is None
    assert dataset._index is None


def test_points_are_projections_of_the_joints_by_a_camera_that_looks_at_the_root(labelled, index):
    inputs = everything(labelled)
    joints = torch.from_numpy(index.joints.astype(np.float32))
    aimed = joints @ inputs["rotation"].mT
    # The root lies on the axis.
    assert float(aimed[:, 0, :2].abs().max()) < 1e-3
    expected = flat_points(aimed * 100)  # 100: none is nearer than 1
    points = inputs["points"][:, 0]
    factor = points.norm(dim=(1, 2)) / expected.norm(dim=(1, 2))
    torch.testing.assert_close(points, expected * factor[:, None, None], atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs["joints"][:, 0], aimed - aimed[:, :1])


def test_all_poses_have_one_size(labelled):
    points = everything(labelled)["points"]
    size = bones_total(points).mean(1)
    torch.testing.assert_close(size, torch.full_like(size, BONES_TOTAL))


def test_a_batch_is_its_samples(h36m_root):
    dataset = KeypointClipDataset(
        h36m_root, split="train", num_frames=2, flip=0.5, real=True, labels=True, seed=3
    )
    indices = [5, 77, 3, len(dataset) + 5, 12]
    batch = dataset.__getitems__(indices)["inputs"]
    for row, i in enumerate(indices):
        for name, value in dataset[i]["inputs"].items():
            torch.testing.assert_close(batch[name][row], value, rtol=0, atol=0)


def test_epochs_differ_and_repeat(h36m_root):
    dataset = KeypointClipDataset(h36m_root, split="train", flip=0.5, real=True)
    count = len(dataset)
    first = dataset.__getitems__(range(count))["inputs"]
    again = dataset.__getitems__(range(count))["inputs"]
    second = dataset.__getitems__(range(count, 2 * count))["inputs"]
    assert torch.equal(first["points"], again["points"])
    assert torch.equal(first["real"], again["real"])
    assert not torch.equal(first["points"], second["points"])
    assert not torch.equal(first["real"], second["real"])
    # About half are mirrored.
    plain = everything(KeypointClipDataset(h36m_root, split="train"))["points"]
    mirrored = (first["points"] != plain).flatten(1).any(1).float().mean()
    assert 0.3 < float(mirrored) < 0.7


def test_real_clips_are_drawn_independently(h36m_root):
    dataset = KeypointClipDataset(h36m_root, split="train", real=True)
    inputs = everything(dataset)
    same = (inputs["points"] == inputs["real"]).flatten(1).all(1).float().mean()
    assert float(same) < 0.1
    # All of the set is drawn from.
    distance = torch.cdist(inputs["points"].flatten(1), inputs["real"].flatten(1))
    assert float((distance.min(1).values < 1e-3).float().mean()) > 0.5


def test_mirroring_exchanges_sides_of_points_and_joints(h36m_root, labelled):
    plain = everything(labelled)
    flipped = everything(KeypointClipDataset(h36m_root, split="train", labels=True, flip=1.0))
    for name, size in (("points", 2), ("joints", 3)):
        expected = plain[name][:, :, H36M17.flip_indices].clone()
        expected[..., 0] *= -1
        torch.testing.assert_close(flipped[name], expected)
        assert expected.shape[-1] == size


def test_frames_of_a_clip_lie_the_interval_apart(h36m_root, index):
    dataset = KeypointClipDataset(h36m_root, split="train", num_frames=3, interval=0.2)
    windows = dataset._windows.numpy()
    assert (windows[:, 1] == np.arange(len(index))).all()
    for row, (before, middle, after) in enumerate(windows):
        for other, shift in ((before, -2), (after, 2)):
            assert index.sequence_id[other] == index.sequence_id[row]
            same = index.sequence_id == index.sequence_id[row]
            numbers = index.frame[same]
            wanted = np.clip(index.frame[middle] + shift, numbers.min(), numbers.max())
            assert index.frame[other] == wanted


def test_pairs_are_this_frame_and_the_next(h36m_root, index):
    windows = KeypointClipDataset(h36m_root, split="train", num_frames=2, interval=0.1)._windows
    step = index.frame[windows[:, 1]] - index.frame[windows[:, 0]]
    assert set(step.tolist()) == {0, 1}


def test_evaluation_needs_no_more_than_the_metric_asks(h36m_root):
    dataset = KeypointClipDataset(h36m_root, split="test", test_mode=True)
    loader = Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=4,
            num_workers=0,
            sampler=dict(type="DefaultSampler", _scope_="mmengine", shuffle=False),
            collate_fn=dict(type="part_synth.take_batch"),
        )
    )
    metric = PoseMetric(baselines=False)
    for batch in loader:
        assert batch["inputs"]["points"].shape[1:] == (1, 17, 2)
        for sample in batch["data_samples"]:
            truth = sample.gt_instances.lifting_target
            sample.pred_instances = type(sample.gt_instances)(keypoints=truth - truth[:, :1])
        metric.process(batch, [sample.to_dict() for sample in batch["data_samples"]])
    metrics = metric.compute_metrics(metric.results)
    assert metrics["mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert metrics["depth_flip_pct"] == 0


def test_a_loader_makes_whole_batches(h36m_root):
    dataset = KeypointClipDataset(h36m_root, split="train", real=True)
    loader = torch.utils.data.DataLoader(
        dataset, 16, sampler=EpochSeededSampler(dataset, seed=0), collate_fn=take_batch
    )
    batch = next(iter(loader))
    assert batch["inputs"]["points"].shape == (16, 1, 17, 2)
    assert batch["data_samples"] is None


def test_detected_points_take_the_place_of_annotated_ones(tmp_path):
    root = make_tiny_h36m(tmp_path, subjects=("S1",), parts=False)
    part = np.load(root / "annotation_body3d/train.npz")["part"]
    detected = np.concatenate([part[..., :2] * 0.5 + 7, part[..., 2:]], -1)
    np.save(root / "det.npy", detected)
    index = Human36mFrames.from_disk(root, split="train", keypoint_file="det.npy")
    np.testing.assert_allclose(index.keypoints, detected[..., :2], atol=1e-4)
    moved = KeypointClipDataset(root, split="train", layout_options={"keypoint_file": "det.npy"})
    plain = KeypointClipDataset(root, split="train")
    assert not torch.allclose(everything(moved)["points"], everything(plain)["points"])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (np.zeros((3, 17, 2)), r"expected \(48, 17, 2\)"),
        (np.zeros((48, 16, 2)), r"expected \(48, 17, 2\)"),
        (b"no numpy file", "can't be read"),
        (None, "no file of detected 2D joints"),
    ],
)
def test_bad_detections_are_refused(tmp_path, content, match):
    root = make_tiny_h36m(tmp_path, subjects=("S1",), parts=False)
    if isinstance(content, bytes):
        (root / "det.npy").write_bytes(content)
    elif content is not None:
        np.save(root / "det.npy", content)
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        KeypointClipDataset(root, layout_options={"keypoint_file": "det.npy"})


def test_frames_without_a_person_are_left_out(tmp_path, caplog):
    root = make_tiny_h36m(tmp_path, subjects=("S1",), parts=False)
    points = np.load(root / "annotation_body3d/train.npz")["part"][..., :2]
    points[3] = np.nan
    points[5] = 40.0
    points[7, 2, 0] = np.inf
    np.save(root / "det.npy", points)
    dataset = KeypointClipDataset(root, layout_options={"keypoint_file": "det.npy"})
    assert len(dataset) == len(points) - 3
    assert torch.isfinite(everything(dataset)["points"]).all()
    points[:] = 1.0
    np.save(root / "det.npy", points)
    with pytest.raises(ValueError, match="none of the 48 2D poses is finite"):
        KeypointClipDataset(root, layout_options={"keypoint_file": "det.npy"})


def test_unknown_cameras_look_straight_at_the_person(h36m_root):
    dataset = KeypointClipDataset(h36m_root, split="train", layout_options={"camera_file": None})
    inputs = everything(dataset)
    assert torch.isfinite(inputs["points"]).all()
    identity = torch.eye(3).expand(len(dataset), 3, 3)
    torch.testing.assert_close(inputs["rotation"], identity)


def test_further_poses_can_join(h36m_root):
    dataset = KeypointClipDataset(h36m_root, split="train", num_frames=2)
    before, extra = len(dataset), dataset.all_points()[:5] * 3
    dataset.add_points(extra)
    assert len(dataset) == before + 5
    joined = dataset.__getitems__(range(before, before + 5))["inputs"]["points"]
    torch.testing.assert_close(joined[:, 0], dataset.all_points()[:5])
    torch.testing.assert_close(joined[:, 0], joined[:, 1])
    with pytest.raises(ValueError, match="17 joints, 2 coordinates"):
        dataset.add_points(torch.zeros(3, 16, 2))


@pytest.mark.parametrize(
    "options",
    [{"num_frames": 0}, {"interval": 0.0}, {"flip": 1.5}, {"frame_step": 0}, {"seed": -1}],
)
def test_bad_arguments_are_refused(h36m_root, options):
    with pytest.raises(ValueError, match="`num_frames`"):
        KeypointClipDataset(h36m_root, **options)


def test_samples_longer_than_every_video_are_refused(h36m_root, caplog):
    """The clips have 12 frames at 10 frames per second."""
    assert len(KeypointClipDataset(h36m_root, split="train", num_frames=12)) == 96
    words = r"num_frames=30 frames, 0\.1 s apart, take 2\.9 s.*lasts 1\.1 s.*to at most 12,"
    with pytest.raises(ValueError, match=words):
        KeypointClipDataset(h36m_root, split="train", num_frames=30)
    # The number that is named is taken.
    with pytest.raises(ValueError, match="at most 4"):
        KeypointClipDataset(h36m_root, split="train", num_frames=5, interval=0.4)
    KeypointClipDataset(h36m_root, split="train", num_frames=4, interval=0.4)
    KeypointClipDataset(h36m_root, split="train", num_frames=1, interval=99.0)


def test_a_model_of_long_clips_can_be_tested_on_short_ones(h36m_root, monkeypatch):
    said = []
    monkeypatch.setattr(keypoint_clips, "print_log", lambda text, **_: said.append(text))
    dataset = KeypointClipDataset(h36m_root, split="test", num_frames=30, test_mode=True)
    assert dataset[0]["inputs"]["points"].shape == (30, 17, 2)
    assert sum("num_frames=30" in text for text in said) == 1


def test_an_unknown_layout_is_named(h36m_root):
    with pytest.raises(ValueError, match=r"no layout 'coco'.*h36m"):
        KeypointClipDataset(h36m_root, layout="coco")
