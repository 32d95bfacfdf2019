import numpy as np
import pytest
import roma
import torch
from part_synth.geometry import mirror, procrustes_align, scale_align


def slow_align(source, target, weights=None, scale=True):
    """Umeyama 1991 for one pair in float64 numpy."""
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    weights = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    weights = weights / weights.sum()
    source_mean, target_mean = weights @ source, weights @ target
    x, y = source - source_mean, target - target_mean
    u, d, vt = np.linalg.svd((y * weights[:, None]).T @ x)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    factor = (d * sign).sum() / (weights @ (x**2).sum(-1)) if scale else 1.0
    return factor * x @ rotation.T + target_mean


@pytest.fixture
def pair(poses, generator):
    noise = torch.randn(poses.shape, generator=generator, dtype=torch.float64)
    turn = roma.random_rotmat(20, dtype=torch.float64, generator=generator)
    return 0.7 * (poses + 0.1 * noise) @ turn.mT + torch.tensor([1.0, 2.0, 3.0]), poses


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_is_the_slow_reference(pair, generator, dtype, scale, weighted):
    source, target = (x.to(dtype) for x in pair)
    weights = torch.rand(20, 17, generator=generator, dtype=torch.float64) if weighted else None
    aligned = procrustes_align(source, target, weights, scale)
    assert aligned.dtype == dtype
    for i in range(20):
        expected = slow_align(*(x[i] for x in pair), None if weights is None else weights[i], scale)
        np.testing.assert_allclose(
            aligned[i], expected, atol=1e-5 if dtype == torch.float32 else 1e-9
        )


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_undoes_any_similarity(poses, generator, unit):
    target = poses * unit
    turn = roma.random_rotmat(20, dtype=torch.float64, generator=generator)
    source = 3.0 * target @ turn.mT - 2.0
    torch.testing.assert_close(procrustes_align(source, target), target)


def test_a_mirrored_pose_is_not_aligned(poses):
    depth_flipped = poses * torch.tensor([1.0, 1.0, -1.0])
    for reflected in (depth_flipped, mirror(poses)):
        error = (procrustes_align(reflected, poses) - poses).norm(dim=-1).mean(-1)
        assert (error > 0.02).all()


def test_leading_dimensions_broadcast(pair):
    source, target = pair
    every = procrustes_align(source[:4, None], target[None, :5])
    assert every.shape == (4, 5, 17, 3)
    torch.testing.assert_close(every[2, 3], procrustes_align(source[2], target[3]))
    assert procrustes_align(source.reshape(4, 5, 17, 3), target.reshape(4, 5, 17, 3)).shape[:2] == (
        4,
        5,
    )


def test_joints_without_weight_do_not_matter(pair):
    source, target = pair
    weights = torch.ones(20, 17, dtype=torch.float64)
    weights[:, 5] = 0
    spoiled = target.clone()
    spoiled[:, 5] += 100.0
    torch.testing.assert_close(
        procrustes_align(source, spoiled, weights), procrustes_align(source, target, weights)
    )
    none = torch.zeros(20, 17)
    torch.testing.assert_close(
        procrustes_align(source, target, none), procrustes_align(source, target)
    )


def test_gradients(pair, generator):
    source, target = (x[:2].clone().requires_grad_() for x in pair)
    weights = torch.rand(2, 17, generator=generator, dtype=torch.float64)
    check = torch.autograd.gradcheck
    assert check(procrustes_align, (source, target))
    assert check(lambda x, y: procrustes_align(x, y, weights, scale=False), (source, target))
    assert check(scale_align, (source, target))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_degenerate_input_has_finite_gradients(poses, dtype):
    pose = poses[0].to(dtype)
    line = torch.linspace(0, 1, 17, dtype=dtype)[:, None] * torch.tensor([0.0, 1.0, 0.0])
    plane = pose * torch.tensor([1.0, 1.0, 0.0])
    sources = torch.stack([pose, pose, torch.zeros_like(pose), pose, line, plane, line]).to(dtype)
    targets = torch.stack([pose, 2 * pose, pose, torch.ones_like(pose), pose, plane, line]).to(
        dtype
    )
    sources.requires_grad_()
    targets.requires_grad_()
    for scale in (True, False):
        aligned = procrustes_align(sources, targets, scale=scale)
        # The mean distance is how the metric is used; its gradient at exact zeros is finite too.
        (aligned - targets).norm(dim=-1).mean().backward()
        assert aligned.isfinite().all()
        assert sources.grad.isfinite().all()
        assert targets.grad.isfinite().all()
    torch.testing.assert_close(
        procrustes_align(sources, targets)[2], targets[2].mean(0, keepdim=True).expand(17, 3)
    )
    zeros = torch.zeros(2, 17, 3, dtype=dtype, requires_grad=True)
    scaled = scale_align(zeros, targets[:2].detach())
    scaled.sum().backward()
    assert torch.equal(scaled, torch.zeros_like(scaled))
    assert zeros.grad.isfinite().all()


def test_scale_align_is_the_best_factor(pair):
    source, target = (x - x[:, :1] for x in pair)
    error = (scale_align(source, target) - target).square().sum((-2, -1))
    for factor in np.linspace(-2, 3, 101):
        assert (error <= (factor * source - target).square().sum((-2, -1)) + 1e-12).all()
    torch.testing.assert_close(scale_align(0.3 * target, target), target)


def test_autocast_keeps_float32(pair):
    source, target = (x.float() for x in pair)
    expected = procrustes_align(source, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(procrustes_align(source, target), expected)


def test_wrong_shapes_are_named(poses):
    with pytest.raises(ValueError, match=r"source must have shape \(\*, N, 3\), got \(20, 17, 2\)"):
        procrustes_align(poses[..., :2], poses)
    with pytest.raises(ValueError, match=r"same joints.*\(20, 16, 3\) and \(20, 17, 3\)"):
        scale_align(poses[:, 1:], poses)
    with pytest.raises(ValueError, match=r"weights must have shape \(\*, 17\), got \(20, 16\)"):
        procrustes_align(poses, poses, torch.ones(20, 16))
