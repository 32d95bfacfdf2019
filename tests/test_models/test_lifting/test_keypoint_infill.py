import copy
import math

import numpy as np
import pytest
import torch
from part_synth.datasets.synthetic.motions import MOTION_CLASSES, make_motion
from part_synth.geometry import to_body_frame, view_rotation
from part_synth.models.lifting.keypoint_infill import KeypointInfill
from part_synth.registry import MODELS


def views(clips, seed):
    """2D poses of made motions from random cameras, in pixels, each of another size and place."""
    rng = np.random.default_rng(seed)
    actions = [MOTION_CLASSES[i % len(MOTION_CLASSES)] for i in range(clips)]
    world = np.concatenate([make_motion(action, rng, 10, 2.0) for action in actions])
    body = to_body_frame(torch.from_numpy(world))[0].repeat(4, 1, 1)
    low, high = [[-math.pi], [-0.35], [50], [0]], [[math.pi], [0.35], [300], [900]]
    azimuth, elevation, size, place = torch.from_numpy(rng.uniform(low, high, (4, len(body))))
    camera = body @ view_rotation(azimuth, elevation).mT + torch.tensor([0.0, 0.0, 6.0])
    flat = 6.0 * camera[..., :2] / camera[..., 2:] * size[:, None, None]
    return (flat + torch.stack([place, 0.5 * place], -1)[:, None]).float()


@pytest.fixture(scope="module")
def infill():
    part = KeypointInfill()
    part.fit(views(60, seed=0))
    return part


@pytest.fixture(scope="module")
def held_out():
    return views(20, seed=1)


def hide(count, hidden, seed=0):
    """(count, 17) bool with `hidden` random joints missing in each row."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 17, generator=generator).argsort(1) >= hidden


def sizes(poses):
    return (poses - poses.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()


def kriging(infill, pose, seen):
    """Slow reference: scale and shift as parts of the Gaussian, with a priori wide variances.

    The pose is then zero-mean, with covariance of the normalised pose plus wide * D D^T, and the
    conditional expectation of a plain Gaussian is all there is to compute.
    """
    mean, covariance = (np.asarray(x, dtype=np.float64) for x in infill.buffers())
    design = np.concatenate([mean.reshape(34, 1), np.tile(np.eye(2), (17, 1))], axis=1)
    unit = np.ptp(pose[seen], axis=0).max()
    wide = covariance + 1e6 * design @ design.T
    seen = np.repeat(seen, 2)
    noise = infill.ridge * np.trace(covariance) / 34 * np.eye(seen.sum())
    centre = np.tile(pose.reshape(34)[seen].reshape(-1, 2).mean(0), 17)
    values = (pose.reshape(34) - centre)[seen] / unit
    gain = wide[np.ix_(~seen, seen)] @ np.linalg.inv(wide[np.ix_(seen, seen)] + noise)
    filled = pose.reshape(34).copy()
    filled[~seen] = gain @ values * unit + centre[~seen]
    return filled.reshape(17, 2)


@pytest.mark.parametrize("hidden", [1, 4, 9])
def test_like_the_conditional_gaussian_of_one_pose_at_a_time(infill, held_out, hidden):
    poses = held_out[:30].double()
    visible = hide(30, hidden, seed=hidden)
    filled, ok = infill(poses, visible)
    assert ok.all()
    expected = [kriging(infill, p.numpy(), v.numpy()) for p, v in zip(poses, visible, strict=True)]
    size = sizes(poses)[:, None, None]
    np.testing.assert_allclose(filled / size, np.stack(expected) / size.numpy(), atol=2e-4)


def test_mean_and_covariance_of_normalised_poses(infill):
    poses = views(60, seed=0).double().numpy()
    centred = poses - poses.mean(1, keepdims=True)
    normalised = centred / np.sqrt((centred**2).sum(2).mean(1))[:, None, None]
    np.testing.assert_allclose(infill.mean, normalised.mean(0), atol=1e-6)
    expected = np.cov(normalised.reshape(len(poses), 34).T)
    np.testing.assert_allclose(infill.covariance, expected, atol=1e-6)


# Part of the error of the mean pose that is left; the mean pose is told place and size.
@pytest.mark.parametrize(("hidden", "share"), [(1, 0.4), (3, 0.45), (6, 0.5)])
def test_hidden_joints_of_held_out_poses(infill, held_out, hidden, share):
    visible = hide(len(held_out), hidden)
    filled, _ = infill(held_out, visible)
    size = sizes(held_out)[:, None]
    error = ((filled - held_out).norm(dim=-1) / size)[~visible].mean()
    mean_pose = infill.mean * size[..., None] + held_out.mean(1, keepdim=True)
    baseline = ((mean_pose - held_out).norm(dim=-1) / size)[~visible].mean()
    assert error < share * baseline


@pytest.mark.parametrize(("joint", "limit"), [(0, 0.05), (8, 0.05), (10, 0.15), (2, 0.3)])
def test_any_single_joint_can_be_missing(infill, held_out, joint, limit):
    visible = torch.ones(len(held_out), 17, dtype=torch.bool)
    visible[:, joint] = False
    filled, ok = infill(held_out, visible)
    assert ok.all()
    error = (filled - held_out)[:, joint].norm(dim=-1) / sizes(held_out)
    assert error.mean() < limit


def test_scaled_and_shifted_mean_poses_are_recovered(infill):
    scale = torch.tensor([0.3, 40.0, 2000.0])[:, None, None]
    shift = torch.tensor([[-0.1, 0.2], [300.0, -50.0], [1e4, 2e4]])[:, None]
    poses = (scale * infill.mean + shift).double()
    filled, ok = infill(poses, hide(3, 12))
    assert ok.all()
    torch.testing.assert_close(filled / scale, poses / scale, atol=1e-3, rtol=0)


def test_follows_place_and_size_of_the_image(infill, held_out):
    poses, visible = held_out[:20].double(), hide(20, 6)
    filled, _ = infill(poses, visible)
    moved, _ = infill(0.01 * poses + torch.tensor([7.0, -3.0]), visible)
    torch.testing.assert_close(moved, 0.01 * filled + torch.tensor([7.0, -3.0]).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("rubbish", [0.0, 1e4, torch.nan, torch.inf])
def test_visible_joints_stay_and_missing_ones_are_not_read(infill, held_out, dtype, rubbish):
    poses, visible = held_out[:20].to(dtype), hide(20, 5)
    expected, _ = infill(poses, visible)
    filled, ok = infill(torch.where(visible[..., None], poses, rubbish), visible)
    assert ok.all()
    assert filled.dtype == dtype
    assert filled.isfinite().all()
    assert torch.equal(filled, expected)
    assert torch.equal(filled[visible], poses[visible])


def test_complete_poses_come_back_as_they_are(infill, held_out):
    filled, ok = infill(held_out, torch.ones(len(held_out), 17, dtype=torch.bool))
    assert ok.all()
    assert torch.equal(filled, held_out)


def test_too_little_to_go_by(infill, held_out):
    poses = held_out[:8].clone()
    visible = hide(8, 10)
    visible[1], visible[2], visible[3] = False, False, False
    visible[2, 3] = True
    visible[3, [3, 5]] = True
    poses[4] = 77.3  # all at one point
    poses[5] = 0.0
    poses[6, visible[6].nonzero()[0]] = torch.nan
    visible[7] = False
    visible[7, [1, 5, 9]] = True  # just enough
    filled, ok = infill(poses, visible)
    assert ok.tolist() == [True, False, False, False, False, False, False, True]
    assert filled[ok].isfinite().all()
    assert filled[~visible & ~ok[:, None]].isnan().all()
    torch.testing.assert_close(filled[visible], poses[visible], rtol=0, atol=0, equal_nan=True)
    # Bad neighbours change nothing.
    alone, _ = infill(poses[[0, 7]], visible[[0, 7]])
    torch.testing.assert_close(filled[[0, 7]], alone)


def test_no_poses(infill):
    filled, ok = infill(torch.zeros(0, 17, 2), torch.zeros(0, 17, dtype=torch.bool))
    assert filled.shape == (0, 17, 2)
    assert ok.shape == (0,)


def test_state_dict_keeps_what_was_fitted(infill, held_out):
    fresh = KeypointInfill()
    assert not fresh.fitted
    fresh.load_state_dict(copy.deepcopy(infill.state_dict()))
    assert fresh.fitted
    visible = hide(len(held_out), 5)
    assert torch.equal(fresh(held_out, visible)[0], infill(held_out, visible)[0])


def test_autocast_changes_nothing(infill, held_out):
    visible = hide(len(held_out), 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        filled, _ = infill(held_out, visible)
    assert torch.equal(filled, infill(held_out, visible)[0])


def test_registered():
    part = MODELS.build({"type": "part_synth.KeypointInfill", "ridge": 0.02})
    assert type(part) is KeypointInfill


def test_unfitted_use_names_the_cure():
    with pytest.raises(RuntimeError, match=r"has not been fitted: call fit\(points\)"):
        KeypointInfill()(torch.zeros(2, 17, 2), hide(2, 3))


@pytest.mark.parametrize("shape", [(17, 2), (4, 16, 2), (4, 17, 3), (2, 4, 17, 2)])
def test_points_of_another_shape(infill, shape):
    with pytest.raises(ValueError, match=r"points must have shape.*got"):
        infill(torch.zeros(shape), hide(4, 3))


@pytest.mark.parametrize("visible", [torch.ones(4, 17), hide(3, 2), hide(4, 2)[..., None]])
def test_visible_of_another_shape_or_kind(infill, visible):
    with pytest.raises(ValueError, match=r"visible must be bool of shape \(4, 17\).*got"):
        infill(torch.zeros(4, 17, 2), visible)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            (99, 17, 2),
            "has 99 complete 2D poses .* at least 100 are needed. Give more or longer vid",
        ),
        ((200, 34), r"complete 2D poses \(M, 17, 2\), got \(200, 34\)"),
        ((200, 17, 3), r"complete 2D poses \(M, 17, 2\), got \(200, 17, 3\)"),
    ],
)
def test_too_few_poses_or_another_shape(shape, words):
    with pytest.raises(ValueError, match=words):
        KeypointInfill().fit(torch.rand(shape))


@pytest.mark.parametrize("value", [torch.nan, 3.0])
def test_fit_refuses_broken_poses(value):
    poses = torch.rand(120, 17, 2)
    poses[7] = value
    with pytest.raises(ValueError, match="not finite or with all joints at one point"):
        KeypointInfill().fit(poses)


@pytest.mark.parametrize("ridge", [0.0, -1.0])
def test_ridge_must_be_positive(ridge):
    with pytest.raises(ValueError, match=f"ridge must be positive, got {ridge}"):
        KeypointInfill(ridge)
