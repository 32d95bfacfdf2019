from dataclasses import replace

import numpy as np
import pytest
import torch
from part_synth.datasets import MultiViewDataset
from part_synth.datasets.frame_source import read_frames
from part_synth.datasets.pseudo_labels import checked_options, lift_frames
from part_synth.evaluation.functional import p_mpjpe
from part_synth.models import LiftingModel


@pytest.fixture(scope="module")
def index(h36m_root):
    return read_frames(h36m_root, "h36m", split="train")


def errors(poses, index):
    """P-MPJPE of all frames, mm."""
    poses, joints = torch.as_tensor(poses), torch.as_tensor(index.joints)
    return p_mpjpe(poses, joints - joints[:, :1], reduction="none")


def test_lifted_poses_are_near_the_true_ones(index):
    poses = lift_frames(index)
    assert poses.shape == (len(index), 17, 3) and poses.dtype == np.float32
    assert np.abs(poses[:, 0]).max() == 0
    mean = np.broadcast_to(poses.mean(0), poses.shape)
    assert errors(poses, index).mean() < 60 < errors(mean, index).mean()
    # In the camera's frame, not only up to a rotation.
    true = index.joints - index.joints[:, :1]
    assert 1000 * np.linalg.norm(poses - true, axis=-1).mean() < 120


def test_without_calibration(index):
    """The camera is guessed; the pose is a little worse, not another one."""
    from part_synth.datasets import CameraTable

    unknown = replace(index, cameras=CameraTable.unknown(len(index.cameras)))
    assert errors(lift_frames(unknown), index).mean() < 75


def test_frames_that_lack_joints_get_no_label(index, monkeypatch):
    told = []
    monkeypatch.setattr(
        "part_synth.datasets.pseudo_labels.print_log", lambda text, **_: told.append(text)
    )
    whole = lift_frames(index)
    assert not told
    keypoints = index.keypoints.copy()
    keypoints[3, 5] = np.nan
    keypoints[7, :, 1] = np.nan
    poses = lift_frames(replace(index, keypoints=keypoints))
    broken = np.isin(np.arange(len(index)), (3, 7))
    assert np.isnan(poses[broken]).all()
    np.testing.assert_allclose(poses[~broken], whole[~broken], atol=1e-5)
    assert len(told) == 1
    assert f"2 of {len(index)} frames lack 2D joints and get no pseudo-label." in told[0]


def test_what_cannot_be_lifted_is_refused(index):
    keypoints = index.keypoints.copy()
    keypoints[:, 5] = np.nan
    with pytest.raises(ValueError, match=r"None of the \d+ frames has all 17 2D joints"):
        lift_frames(replace(index, keypoints=keypoints))
    clips = LiftingModel(dict(type="part_synth.ClipLifter", width=8, num_blocks=1, reach=1))
    with pytest.raises(ValueError, match="single frames"):
        lift_frames(index, clips)


def test_unlabelled_instants_get_them(h36m_root, index):
    dataset = MultiViewDataset(
        h36m_root,
        split="train",
        labelled=dict(subjects=["S1"]),
        pseudo_labels=dict(weight=0.4),
        crop=dict(size=16),
    )
    labelled = dataset.instants["labelled"]
    assert 0 < labelled.sum() < len(labelled)
    for i in (int(np.flatnonzero(labelled)[0]), int(np.flatnonzero(~labelled)[0])):
        sample = dataset[i]["data_samples"]
        gt = sample.gt_instances
        if labelled[i]:
            assert (gt.lifting_target_visible == 1).all()
            assert "camera_param" in sample.metainfo
        else:
            assert np.allclose(gt.lifting_target_visible, 0.4)
            assert np.isfinite(gt.lifting_target).all() and np.isfinite(gt.crop_keypoints).all()
            # Lifted, not annotated: the root is the origin, and nothing tells the camera.
            assert np.abs(gt.lifting_target[:, 0]).max() == 0
            assert "camera_param" not in sample.metainfo


def test_a_frame_that_lacks_a_joint_is_hidden_and_its_other_views_are_not(h36m_root, monkeypatch):
    lifted = lift_frames(read_frames(h36m_root, "h36m", split="train"))
    lifted[::2] = np.nan
    monkeypatch.setattr("part_synth.datasets.pseudo_labels.lift_frames", lambda *_: lifted)
    dataset = MultiViewDataset(
        h36m_root,
        split="train",
        labelled=dict(subjects=["S1"]),
        pseudo_labels=dict(weight=0.4),
        crop=dict(size=16),
    )
    unlabelled = np.flatnonzero(~dataset.instants["labelled"])
    seen = set()
    for i in unlabelled.tolist():
        gone = np.isnan(lifted[dataset.get_data_info(i)["frame_ids"]]).any((1, 2))
        gt = dataset[i]["data_samples"].gt_instances
        assert (gt.lifting_target_visible[gone] == 0).all()
        assert np.allclose(gt.lifting_target_visible[~gone], 0.4)
        assert np.isnan(gt.crop_keypoints).all((1, 2)).tolist() == gone.tolist()
        seen |= set(gone.tolist())
    assert seen == {True, False}


def test_bad_weight(h36m_root):
    with pytest.raises(ValueError, match=r"weight.*\(0, 1\]"):
        MultiViewDataset(h36m_root, split="train", pseudo_labels=dict(weight=0.0))


@pytest.mark.parametrize("hidden", [0.0, np.nan])
def test_joints_that_are_not_visible_are_missing(index, monkeypatch, hidden):
    told = []
    monkeypatch.setattr(
        "part_synth.datasets.pseudo_labels.print_log", lambda text, **_: told.append(text)
    )
    keypoints, visible = index.keypoints.copy(), index.keypoints_visible.copy()
    # As detectors and annotation tools write what they did not find.
    keypoints[4, 13] = 0
    visible[4, 13] = hidden
    poses = lift_frames(replace(index, keypoints=keypoints, keypoints_visible=visible))
    assert np.isnan(poses).any((1, 2)).nonzero()[0].tolist() == [4]
    assert f"1 of {len(index)} frames lack 2D joints and get no pseudo-label." in told[0]


def test_detected_joints_are_visible(h36m_copy):
    """Annotations without 2D joints, and a file of detected ones."""
    path = h36m_copy / "annotation_body3d" / "train.npz"
    arrays = dict(np.load(path))
    points = arrays["part"][..., :2].copy()
    points[5, 2] = np.nan
    np.save(h36m_copy / "detected.npy", points)
    np.savez(path, **{**arrays, "part": np.zeros_like(arrays["part"])})
    detected = read_frames(h36m_copy, "h36m", split="train", keypoint_file="detected.npy")
    assert np.isnan(lift_frames(detected)).any((1, 2)).nonzero()[0].tolist() == [5]
    with pytest.raises(ValueError, match=r"None of the .*visibility of 0 counts as missing"):
        lift_frames(read_frames(h36m_copy, "h36m", split="train"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dict(agree="yes"), "`agree`.*True or False, got 'yes'"),
        (dict(agree=1), "`agree`.*True or False, got 1"),
        (dict(weight=True), r"`weight`.*\(0, 1\], got True"),
        (dict(keep=0), r"`keep` .* in \(0, 1\], got 0"),
        (dict(keep=True), r"`keep` .* in \(0, 1\], got True"),
        (dict(camera_scope="clip"), "camera_scope='clip'.*only `agree=True` reads"),
        (dict(camera_scope="room", agree=True), "'person' or 'clip', got 'room'"),
    ],
)
def test_wrong_options(wrong, said):
    with pytest.raises(ValueError, match=said):
        checked_options(wrong)


def test_good_options():
    options = checked_options(dict(camera_scope="clip", agree=True, weight=1))
    assert options == dict(
        lifter=None, image_model=None, weight=1, agree=True, camera_scope="clip", keep=1.0
    )
