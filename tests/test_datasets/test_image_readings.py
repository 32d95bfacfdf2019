from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from part_synth.datasets import MultiViewDataset
from part_synth.datasets.frame_source import read_frames
from part_synth.datasets.image_readings import (
    agree_over_views,
    forget_disagreeing,
    read_images,
)
from part_synth.evaluation.functional import p_mpjpe


@pytest.fixture(scope="module")
def index(h36m_root):
    return read_frames(h36m_root, "h36m", split="train")


@pytest.fixture(scope="module")
def instants(index):
    return index.group_by("subject", "clip", "frame")


class Reader(torch.nn.Module):
    """Knows what to answer for every frame, by the place and side of its crop."""

    def __init__(self, index, joints, keypoints, background=False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        crop = {"size": 16, "padding": 0.8}
        self.cfg = ConfigDict(test_dataloader=ConfigDict(dataset=ConfigDict(crop=crop)))
        self.encoder = SimpleNamespace(use_background=background)
        self.answers = {
            path: (pose, points)
            for path, pose, points in zip(
                (str(index.image_path(i)) for i in range(len(index))),
                joints,
                keypoints,
                strict=True,
            )
        }
        self.seen = []

    def test_step(self, batch):
        self.seen.append(batch)
        for sample in batch["data_samples"]:
            pose, points = self.answers[sample.metainfo["img_path"]]
            sample.pred_instances = InstanceData(keypoints=pose[None], keypoints_2d=points[None])
        return batch["data_samples"]


def true_poses(index):
    return index.joints - index.joints[:, :1]


def noisy(index, seed=0, size=0.05):
    """Poses with errors of every view's own, and with views that are turned the wrong way."""
    rng = np.random.default_rng(seed)
    joints = true_poses(index) + size * rng.standard_normal((len(index), 17, 3))
    keypoints = index.keypoints + 4 * rng.standard_normal((len(index), 17, 2))
    return (joints - joints[:, :1]).astype(np.float32), keypoints.astype(np.float32)


def errors(poses, index):
    return p_mpjpe(torch.as_tensor(poses), torch.as_tensor(true_poses(index)), reduction="none")


# ---- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [False, True])
def test_every_frame_gets_its_own_reading_and_no_label_is_shown(index, background):
    poses, points = noisy(index)
    model = Reader(index, poses + 3.0, points, background)
    chosen = np.arange(1, len(index), 2)
    joints, keypoints = read_images(index, chosen, model)
    np.testing.assert_allclose(joints[chosen], poses[chosen], atol=1e-5)
    np.testing.assert_array_equal(keypoints[chosen], points[chosen])
    rest = np.setdiff1d(np.arange(len(index)), chosen)
    assert np.isnan(joints[rest]).all() and np.isnan(keypoints[rest]).all()
    for batch in model.seen:
        assert batch["inputs"]["image"].shape[1:] == (1, 3, 16, 16)
        assert ("background" in batch["inputs"]) == background
        for sample in batch["data_samples"]:
            assert "gt_instances" not in sample and "gt_fields" not in sample
            assert "camera_param" not in sample.metainfo


def test_the_model_of_the_package_reads_frames(index):
    joints, keypoints = read_images(index, np.arange(4), "part_synth_synthetic_64px")
    assert np.isfinite(joints[:4]).all() and np.isfinite(keypoints[:4]).all()
    assert np.abs(joints[:4, 0]).max() == 0
    # It was trained on other looks: here only the place in the picture must be about right.
    side = index.box[:4, 2, None, None]
    assert (np.abs(keypoints[:4] - index.box[:4, None, :2]) < side).all()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("part_synth", "part_synth_synthetic_64px.*got 'part_synth'"),
        ("lifter", "part_synth_synthetic_64px.*got 'lifter'"),
        (("config.py",), r"\(config, checkpoint\)"),
        (3, "got 3"),
    ],
)
def test_wrong_models_are_named(index, source, said):
    with pytest.raises(ValueError, match=said):
        read_images(index, np.arange(2), source)


def test_a_model_without_2d_joints_is_refused(index):
    class Blind(Reader):
        def test_step(self, batch):
            samples = super().test_step(batch)
            for sample in samples:
                del sample.pred_instances.keypoints_2d
            return samples

    with pytest.raises(ValueError, match=r"`image_model` must read 2D joints.* Blind does not"):
        read_images(index, np.arange(2), Blind(index, *noisy(index)))


def test_the_log_says_that_pictures_are_read(index, monkeypatch):
    said = []
    monkeypatch.setattr(
        "part_synth.datasets.image_readings.print_log", lambda text, **_: said.append(text)
    )
    read_images(index, np.arange(5), Reader(index, *noisy(index)))
    assert "Reader reads 5 frames for pseudo-labels, on cpu" in said[0]


# ---- agreement ----------------------------------------------------------------------------------


def test_what_views_agree_on_is_nearer_to_the_truth(index, instants):
    joints, keypoints = noisy(index)
    agreed, points = agree_over_views(index, instants, joints, keypoints)
    assert errors(agreed, index).mean() < 0.85 * errors(joints, index).mean()
    # Also in the camera's frame and in the image.
    true = true_poses(index)
    assert (
        np.linalg.norm(agreed - true, axis=-1).mean()
        < np.linalg.norm(joints - true, axis=-1).mean()
    )
    before, after = (
        np.linalg.norm(p - index.keypoints, axis=-1).mean() for p in (keypoints, points)
    )
    assert after < before
    for group in range(len(instants)):
        views = torch.from_numpy(agreed[instants[group]])
        assert p_mpjpe(views, views[:1].expand_as(views)) < 0.01


def test_only_joints_far_from_the_agreed_pose_move_in_the_image(index, instants):
    extent = np.ptp(index.keypoints, axis=1).max(-1)
    wrong = index.keypoints.copy()
    wrong[:, 16] += 0.4 * extent[:, None]
    _, points = agree_over_views(index, instants, true_poses(index), wrong)
    off = np.linalg.norm(points[:, 16] - index.keypoints[:, 16], axis=-1) / extent
    assert off.max() < 0.15
    # The pose is laid down as for a distant camera: feet before a near one may move.
    stay = (points[:, :16] == index.keypoints[:, :16]).all(-1)
    assert stay.mean() > 0.99


def test_consistent_readings_stay_as_they_are(index, instants):
    agreed, _ = agree_over_views(index, instants, true_poses(index), index.keypoints)
    np.testing.assert_allclose(agreed, true_poses(index), atol=2e-4)


@pytest.mark.parametrize("scope", ["person", "clip"])
def test_a_view_that_reads_the_orientation_wrong_is_corrected_by_its_other_frames(
    index, instants, scope
):
    joints = true_poses(index)
    wrong = int(instants[3][0])
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], dtype=np.float32)
    joints[wrong] = joints[wrong] @ turn
    agreed, _ = agree_over_views(index, instants, joints, index.keypoints, scope)
    off = np.linalg.norm(agreed[wrong] - true_poses(index)[wrong], axis=-1).mean()
    assert off < 0.65 * np.linalg.norm(joints[wrong] - true_poses(index)[wrong], axis=-1).mean()


def test_instants_that_were_not_read_in_all_views_stay(index, instants):
    joints, keypoints = noisy(index)
    gone = int(instants[2][1])
    joints[gone] = np.nan
    agreed, points = agree_over_views(index, instants, joints, keypoints)
    np.testing.assert_array_equal(agreed[instants[2]], joints[instants[2]])
    np.testing.assert_array_equal(points[instants[2]], keypoints[instants[2]])
    assert not np.allclose(agreed[instants[4]], joints[instants[4]])
    # Given arrays are not changed.
    assert np.isnan(joints[gone]).all()


def test_instants_of_fewer_cameras(index, instants):
    """Instants that some cameras missed are agreed on among the others."""
    lost = instants[1][-1]
    few = index.select(np.arange(len(index)) != lost)
    groups = few.group_by("subject", "clip", "frame")
    joints, keypoints = noisy(few)
    agreed, _ = agree_over_views(few, groups, joints, keypoints)
    assert np.isfinite(agreed).all()
    assert errors(agreed, few).mean() < errors(joints, few).mean()


def test_wrong_scope(index, instants):
    with pytest.raises(ValueError, match="'person' or 'clip', got 'room'"):
        agree_over_views(index, instants, *noisy(index), camera_scope="room")


# ---- instants whose views agree -----------------------------------------------------------------


def some_wrong(index, instants):
    """Readings that are right but in every other instant, where one view reads another pose."""
    joints = true_poses(index)
    wrong = np.array([int(instants[i][1]) for i in range(0, len(instants), 2)])
    joints[wrong, 5:] += 0.3 * np.random.default_rng(0).standard_normal((len(wrong), 12, 3))
    return joints.astype(np.float32), index.keypoints, wrong


def test_what_views_disagree_on_is_forgotten(index, instants):
    joints, _, wrong = some_wrong(index, instants)
    kept = forget_disagreeing(instants, joints, 0.5)
    # One view in error spoils the instant.
    gone = np.isnan(kept).all((1, 2))
    expected = np.isin(
        np.arange(len(index)), np.concatenate([instants[i] for i in range(0, len(instants), 2)])
    )
    np.testing.assert_array_equal(gone, expected)
    np.testing.assert_array_equal(kept[~gone], joints[~gone])
    assert np.isfinite(joints).all() and set(wrong) <= set(np.flatnonzero(gone))


def test_single_views_cannot_agree(index, instants):
    alone = [int(frame) for frame in instants[1][1:]]
    few = index.select(~np.isin(np.arange(len(index)), alone))
    groups = few.group_by("subject", "clip", "frame")
    kept = forget_disagreeing(groups, true_poses(few), 1.0)
    assert np.isnan(kept[groups[1]]).all() and len(groups[1]) == 1
    assert np.isfinite(np.delete(kept, groups[1], axis=0)).all()


def test_nothing_read_is_nothing_kept(index, instants):
    unread = np.full_like(index.joints, np.nan)
    assert np.isnan(forget_disagreeing(instants, unread, 0.5)).all()


@pytest.mark.parametrize("agree", [False, True])
def test_instants_whose_views_disagree_leave_the_data_set(h36m_root, index, instants, agree):
    joints, keypoints, wrong = some_wrong(index, instants)
    options = dict(image_model=Reader(index, joints, keypoints), agree=agree, keep=0.5)
    build = lambda **more: MultiViewDataset(  # noqa: E731
        h36m_root, split="train", pseudo_labels=options, crop=dict(size=16), **more
    )
    dataset = build(labelled=dict(fraction=0.0))
    assert len(dataset) == len(dataset.instants["time"]) == len(instants) // 2
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        assert not set(info["frame_ids"]) & set(wrong)
        np.testing.assert_allclose(info["joints"], joints[info["frame_ids"]], atol=2e-4)
    # Instants with labels of their own stay.
    some = build(labelled=dict(subjects=["S1"]))
    of_all = MultiViewDataset(h36m_root, split="train", labelled=dict(subjects=["S1"]))
    assert some.instants["labelled"].sum() == of_all.instants["labelled"].sum()
    assert len(dataset) < len(some) < len(instants)


def test_a_data_set_that_is_left_without_instants(h36m_root, index, instants):
    """One view of every instant is never read."""
    joints, keypoints = true_poses(index).astype(np.float32), index.keypoints
    joints[[int(instants[i][0]) for i in range(len(instants))]] = np.nan
    options = dict(image_model=Reader(index, joints, keypoints), keep=0.5)
    said = rf"none of the {len(instants)} instants .*`keep=0.5` .* leaves nothing"
    with pytest.raises(ValueError, match=said):
        MultiViewDataset(
            h36m_root,
            split="train",
            labelled=dict(fraction=0.0),
            pseudo_labels=options,
            crop=dict(size=16),
        )


# ---- data set -----------------------------------------------------------------------------------


@pytest.mark.parametrize("agree", [False, True])
def test_unlabelled_instants_get_readings_and_nothing_of_the_truth(
    h36m_root, index, instants, agree
):
    joints, keypoints = noisy(index, size=0.2)
    dataset = MultiViewDataset(
        h36m_root,
        split="train",
        labelled=dict(subjects=["S1"]),
        pseudo_labels=dict(image_model=Reader(index, joints, keypoints), agree=agree, weight=0.4),
        crop=dict(size=16),
    )
    if agree:
        joints, keypoints = agree_over_views(index, instants, joints, keypoints)
    labelled = dataset.instants["labelled"]
    assert 0 < labelled.sum() < len(labelled)
    for i in range(0, len(dataset), 3):
        info = dataset.get_data_info(i)
        frames = info["frame_ids"]
        if labelled[i]:
            np.testing.assert_array_equal(info["joints"], index.joints[frames])
            continue
        np.testing.assert_allclose(info["joints"], joints[frames], atol=1e-6)
        np.testing.assert_allclose(info["keypoints"], keypoints[frames], atol=1e-3)
        assert np.allclose(info["joints_visible"], 0.4) and (info["keypoints_visible"] == 1).all()
        gt = dataset[i]["data_samples"].gt_instances
        assert np.isfinite(gt.crop_keypoints).all()


def test_only_instants_in_use_are_read(h36m_root, index):
    model = Reader(index, *noisy(index))
    dataset = MultiViewDataset(
        h36m_root,
        split="train",
        frame_step=3,
        labelled=dict(fraction=0.0),
        pseudo_labels=dict(image_model=model),
        crop=dict(size=16),
    )
    read = sum(len(batch["data_samples"]) for batch in model.seen)
    views = len(dataset.get_data_info(0)["frame_ids"])
    assert read == views * len(dataset) < len(index)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(lifter=("a.py", "b.pth"), image_model="part_synth_synthetic_64px"), "not both"),
        (dict(image_model="part_synth_synthetic_64px", camera_scope="day"), "camera_scope.*'day'"),
        (dict(image_modl="part_synth_synthetic_64px"), "image_model"),
    ],
)
def test_wrong_options(h36m_root, options, said):
    with pytest.raises(ValueError, match=said):
        MultiViewDataset(h36m_root, split="train", pseudo_labels=options)
