import builtins
import copy
import logging
import math
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from part_synth.datasets.synthetic.motions import MOTION_CLASSES, make_motion
from part_synth.geometry import to_body_frame, view_rotation
from part_synth.models.lifting.flow_prior import FlowPrior
from part_synth.registry import MODELS

SMALL = {"num_components": 6, "num_blocks": 3, "hidden": 16}


def views(clips, seed):
    """2D poses of made motions from random cameras, mean head-root distance 0.1."""
    rng = np.random.default_rng(seed)
    actions = [MOTION_CLASSES[i % len(MOTION_CLASSES)] for i in range(clips)]
    world = np.concatenate([make_motion(action, rng, 10, 2.0) for action in actions])
    body = to_body_frame(torch.from_numpy(world))[0].repeat(4, 1, 1)
    low, high = [[-math.pi], [-0.35]], [[math.pi], [0.35]]
    azimuth, elevation = torch.from_numpy(rng.uniform(low, high, (2, len(body))))
    camera = body @ view_rotation(azimuth, elevation).mT
    camera = camera / camera[:, 10].norm(dim=-1).mean() + torch.tensor([0.0, 0.0, 10.0])
    flat = camera[..., :2] / camera[..., 2:]
    return (flat * 0.1 / flat[:, 10].norm(dim=-1).mean()).float()


@pytest.fixture(scope="module")
def poses():
    return views(40, seed=0)


@pytest.fixture(scope="module")
def held_out():
    return views(20, seed=1)


@pytest.fixture(scope="module")
def fit(poses):
    """A fitted prior and what `fit` gave."""
    prior = FlowPrior(num_blocks=4, hidden=32)
    return prior, prior.fit(poses, steps=250, batch_size=128, lr=5e-3)


def wild(dtype=torch.float64, **changes):
    """A prior with random weights, whitening and deviations, as if it had been fitted."""
    generator = torch.Generator().manual_seed(0)
    prior = FlowPrior(**{**SMALL, "clamp": 0.7, **changes}).to(dtype)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    for layer in prior.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.weight.copy_(draw(*layer.weight.shape) / layer.in_features**0.5)
            layer.bias.copy_(draw(*layer.bias.shape))
    prior.mean.copy_(draw(34))
    prior.components.copy_(torch.linalg.qr(draw(34, prior.num_components))[0].mT)
    prior.std.copy_(draw(prior.num_components).abs() + 0.5)
    return prior


def scramble(poses, seed=0):
    """Every joint from another pose."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.stack([torch.randperm(len(poses), generator=generator) for _ in range(17)], 1)
    return poses[rows, torch.arange(17)]


def inside(prior, coordinates):
    """(B, 17, 2) poses with these (B, N) coordinates along the principal components."""
    return (prior.mean + coordinates @ prior.components).unflatten(-1, (17, 2))


@pytest.mark.parametrize("size", [0.5, 30.0])  # well inside, and in the bent tails
def test_log_prob_is_the_change_of_variables(size):
    prior = wild()
    coordinates = size * torch.randn(5, 6, dtype=torch.float64)
    points = inside(prior, coordinates)
    actual = prior.log_prob(points)
    for pose, value in zip(coordinates, actual, strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda c: prior.encode(inside(prior, c[None]))[0][0], pose
        )
        latent = prior.encode(inside(prior, pose[None]))[0][0]
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(latent).sum()
        torch.testing.assert_close(value, normal + torch.linalg.slogdet(jacobian)[1])


def test_density_of_two_components_integrates_to_one():
    prior = wild(num_components=2, clamp=0.5)
    side = torch.linspace(-40, 40, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        log_prob = torch.cat([prior.log_prob(inside(prior, part)) for part in grid.split(200_000)])
    assert float(log_prob.exp().sum() * (side[1] - side[0]) ** 2) == pytest.approx(1.0, abs=5e-3)


def test_gaussian_poses_get_the_density_of_the_gaussian():
    generator = torch.Generator().manual_seed(1)
    basis = torch.linalg.qr(torch.randn(34, 2, generator=generator))[0].mT
    deviations = torch.tensor([0.08, 0.02])
    coordinates = deviations * torch.randn(20000, 2, generator=generator)
    points = (0.3 + coordinates @ basis).unflatten(-1, (17, 2))
    prior = FlowPrior(num_components=2, num_blocks=2, hidden=16)
    error = prior.fit(points, steps=100, batch_size=512, noise=0.0)
    expected = torch.distributions.Normal(0.0, deviations).log_prob(coordinates[:1000]).sum(-1)
    difference = prior.log_prob(points[:1000]) - expected
    assert difference.abs().mean() < 0.03
    entropy = float((0.5 * math.log(2 * math.pi * math.e) + deviations.log()).sum())
    assert error == pytest.approx(entropy, abs=0.06)


def test_directions_that_no_pose_took_are_not_scored():
    prior = wild()
    points = inside(prior, torch.randn(4, 6, dtype=torch.float64))
    away = torch.randn(4, 34, dtype=torch.float64)
    away = away - away @ prior.components.mT @ prior.components
    torch.testing.assert_close(
        prior.log_prob(points + away.unflatten(1, (17, 2))), prior.log_prob(points)
    )


def test_held_out_poses_are_far_likelier_than_scrambled_ones(fit, held_out):
    prior, error = fit
    real, wrong = prior.log_prob(held_out), prior.log_prob(scramble(held_out))
    assert real.mean() > wrong.mean() + 50
    assert (real > wrong).float().mean() > 0.98
    swapped = held_out[:, [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]]  # legs crossed over
    assert real.mean() > prior.log_prob(swapped).mean()
    assert -error > real.mean()  # poses of the fit are likelier still


def test_flow_beats_the_gaussian_that_it_starts_from(fit, poses, held_out):
    gaussian = FlowPrior(num_blocks=1, hidden=1)
    start = gaussian.fit(poses, steps=1, lr=0.0)
    w = torch.distributions.MultivariateNormal(
        torch.zeros(26), torch.diag(gaussian.std.square())
    ).log_prob((held_out.flatten(1) - gaussian.mean) @ gaussian.components.mT)
    near = ((held_out.flatten(1) - gaussian.mean) @ gaussian.components.mT).abs()
    near = (near < 5 * gaussian.std).all(1)  # beyond, tails are heavier than a Gaussian's
    torch.testing.assert_close(gaussian.log_prob(held_out)[near], w[near], atol=1e-3, rtol=1e-4)
    assert fit[1] < start - 3
    assert fit[0].log_prob(held_out).mean() > gaussian.log_prob(held_out).mean()


def test_components_are_the_principal_ones(fit, poses):
    prior = fit[0]
    flat = poses.flatten(1).double().numpy()
    _, singular, directions = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    np.testing.assert_allclose(prior.mean, flat.mean(0), atol=1e-6)
    np.testing.assert_allclose(prior.std, singular[:26] / (len(flat) - 1) ** 0.5, rtol=1e-4)
    # Signs are free, and neighbours of like variance may mix: compare the spans.
    cosines = np.linalg.svd(prior.components.numpy() @ directions[:26].T)[1]
    np.testing.assert_allclose(cosines, 1.0, atol=1e-4)


def test_loss_is_the_weighted_mean_and_its_gradient_reaches_the_poses_only(fit, held_out):
    prior = copy.deepcopy(fit[0])
    prior.loss_weight = 2.5
    points = held_out[:32].clone().requires_grad_()
    loss = prior(points)
    assert loss.shape == ()
    torch.testing.assert_close(loss, -2.5 * prior.log_prob(points).sum() / 32)
    loss.backward()
    assert (points.grad.flatten(1).norm(dim=1) > 0).all()
    assert all(weight.grad is None for weight in prior.parameters())


def test_descending_the_loss_mends_scrambled_poses(fit, held_out):
    prior = fit[0]
    points = scramble(held_out)[:64].requires_grad_()
    start = prior(points).item()
    optimizer = torch.optim.Adam([points], lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        prior(points).backward()
        optimizer.step()
    assert prior(points) < start - 50
    assert prior(points) < 0.5 * (start + prior(held_out))


def test_gradcheck():
    prior = wild()
    points = inside(prior, torch.tensor([1.0, 20.0], dtype=torch.float64)[:, None].expand(2, 6))
    points = (points + 0.1 * torch.randn(2, 17, 2, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(prior, (points,))


@pytest.mark.parametrize("factor", [10.0, 1e3, 1e6])
def test_absurd_poses_have_finite_losses_and_bounded_gradients(fit, held_out, factor):
    prior = fit[0]

    def gradient(points):
        points = points.clone().requires_grad_()
        log_prob = prior.log_prob(points)
        assert log_prob.isfinite().all()
        (slope,) = torch.autograd.grad(log_prob.sum(), points)
        assert slope.isfinite().all()
        return log_prob, slope

    near, near_slope = gradient(held_out[:50])
    far, slope = gradient(factor * held_out[:50])
    assert (far < near.min()).all()
    assert (slope * held_out[:50]).sum((1, 2)).max() < 0  # likelier towards the poses
    assert slope.norm() < 2000 * near_slope.norm()


def test_half_precision_and_autocast_compute_in_float32(fit, held_out):
    prior = fit[0]
    expected = prior(held_out)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(prior(held_out), expected)
    half = prior(held_out.half())
    assert half.dtype == torch.float32
    assert torch.equal(half, prior(held_out.half().float()))


def test_state_dict_and_pickle_keep_the_density(fit, held_out):
    prior = fit[0]
    torch.manual_seed(7)
    fresh = FlowPrior(num_blocks=4, hidden=32)
    assert not fresh.fitted
    fresh.load_state_dict(copy.deepcopy(prior.state_dict()))
    assert fresh.fitted
    expected = prior.log_prob(held_out)
    assert torch.equal(fresh.log_prob(held_out), expected)
    assert torch.equal(pickle.loads(pickle.dumps(prior)).log_prob(held_out), expected)


def test_frozen_before_and_after_the_fit(poses):
    prior = FlowPrior(**SMALL)
    assert not any(weight.requires_grad for weight in prior.parameters())
    with torch.no_grad():
        prior.fit(poses, steps=2)
    assert prior.fitted
    assert not any(weight.requires_grad for weight in prior.parameters())
    assert all(weight.grad is None for weight in prior.parameters())
    prior.requires_grad_(True)  # no parameter that could not have a gradient
    prior.requires_grad_(False)


def short_fit(poses, seed, start):
    torch.manual_seed(start)
    prior = FlowPrior(**SMALL)
    prior.fit(poses, steps=3, seed=seed)
    return torch.cat([value.flatten() for value in prior.state_dict().values()])


def test_seed_alone_decides_the_weights(poses):
    first = short_fit(poses, seed=3, start=0)
    assert torch.equal(first, short_fit(poses, seed=3, start=1))
    assert not torch.equal(first, short_fit(poses, seed=4, start=0))


def test_fitting_again_starts_anew(poses):
    prior = FlowPrior(**SMALL)
    first = prior.fit(poses, steps=5)
    assert prior.fit(poses, steps=5) == first


def test_global_random_state_and_poses_are_left_alone(poses):
    prior = FlowPrior(**SMALL)
    copied = poses.clone()
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    prior.fit(poses, steps=2)
    assert torch.equal(poses, copied)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert (np.random.get_state()[1] == state[2]).all()
    np.random.seed(5)
    first = np.random.rand()
    np.random.seed(5)
    FlowPrior(**SMALL)
    assert np.random.rand() == first


def test_fit_says_how_good_it_is(poses, caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO):
            error = FlowPrior(**SMALL).fit(poses, steps=2)
    finally:
        logger.removeHandler(caplog.handler)
    assert f"{len(poses)} 2D poses: negative log-likelihood {error:.1f} nats" in caplog.text


def test_registered():
    prior = MODELS.build({"type": "part_synth.FlowPrior", **SMALL, "loss_weight": 3.0})
    assert type(prior) is FlowPrior
    assert prior.loss_weight == 3.0


def test_unfitted_use_names_the_cure():
    with pytest.raises(RuntimeError, match=r"has not been fitted: call fit\(points\)"):
        FlowPrior(**SMALL)(torch.zeros(2, 17, 2))


@pytest.mark.parametrize("shape", [(17, 2), (4, 16, 2), (4, 17, 3), (4, 34), (2, 4, 17, 2)])
def test_points_of_another_shape(fit, shape):
    with pytest.raises(ValueError, match=r"points must have shape.*got"):
        fit[0](torch.zeros(shape))


@pytest.mark.parametrize("shape", [(99, 17, 2), (200, 34), (200, 17, 3), (0, 17, 2)])
def test_too_few_poses_or_another_shape(shape):
    with pytest.raises(ValueError, match=r"at least 100 2D poses \(M, 17, 2\), got"):
        FlowPrior(**SMALL).fit(torch.rand(shape))


def test_poses_that_are_not_finite(poses):
    broken = poses.clone()
    broken[3, 5, 1] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        FlowPrior(**SMALL).fit(broken)


def test_poses_that_vary_too_little(poses):
    prior = FlowPrior(**SMALL)
    with pytest.raises(ValueError, match="num_components=6, but the 150 poses vary in 3 direct"):
        flat = torch.randn(150, 3) @ torch.randn(3, 34)
        prior.fit(flat.unflatten(1, (17, 2)))
    assert not prior.fitted


@pytest.mark.parametrize(
    "change", [{"num_components": 33}, {"num_components": 1}, {"num_blocks": 0}, {"hidden": 0}]
)
def test_sizes_that_make_no_flow(change):
    with pytest.raises(ValueError, match=r"must be .*got"):
        FlowPrior(**{**SMALL, **change})


def test_missing_library_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("FrEIA"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install FrEIA"):
        FlowPrior(**SMALL)
