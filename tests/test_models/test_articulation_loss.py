import pytest
import roma
import torch
from part_synth.geometry import (
    REST_DIRECTIONS,
    ArticulationLimits,
    bone_lengths,
    forward_kinematics,
    local_directions,
)
from part_synth.models import PosePrior
from part_synth.models.losses import ArticulationLimitLoss
from part_synth.registry import MODELS
from tiny_part_synth import floats, make_poses


def impossible_poses(count, dtype=torch.float32):
    """Poses whose bones point anywhere near where they should."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(count, 16, 3, generator=generator, dtype=torch.float64)
    directions = torch.nn.functional.normalize(REST_DIRECTIONS + 0.6 * noise, dim=-1)
    return forward_kinematics(directions, bone_lengths(make_poses(1)).double()).to(dtype)


def test_it_is_the_mean_violation_in_any_frame():
    poses = impossible_poses(40, torch.float64)
    wanted = ArticulationLimits().violation(local_directions(poses)).mean()
    assert wanted > 0.01
    loss = ArticulationLimitLoss()
    torch.testing.assert_close(loss(poses), wanted, atol=1e-6, rtol=1e-4)
    turn = roma.random_rotmat(40, dtype=torch.float64)
    torch.testing.assert_close(loss(poses @ turn.mT + 3.0), wanted, atol=1e-6, rtol=1e-4)


def test_possible_poses_cost_nothing_and_get_no_gradient(fit):
    poses = fit[0].decode(torch.rand(50, 8) * 2 - 1).detach().requires_grad_()
    loss = ArticulationLimitLoss(margin=11.0)(poses)
    (gradient,) = torch.autograd.grad(loss, poses)
    assert float(loss) < 1e-4 and gradient.abs().max() < 1e-2


def test_descent_makes_poses_possible():
    poses = impossible_poses(20).requires_grad_()
    loss = MODELS.build(dict(type="part_synth.ArticulationLimitLoss", loss_weight=2.0))
    before = float(loss(poses))
    optimizer = torch.optim.Adam([poses], lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        loss(poses).backward()
        optimizer.step()
    assert torch.isfinite(poses).all()
    assert float(loss(poses)) < 0.1 * before


def test_knees_bent_forwards_are_found():
    """One more bone out of its limits is more loss."""
    poses = make_poses(6, spread=0.0, dtype=torch.float64)
    wrong = poses.clone()
    shin = wrong[:, 3] - wrong[:, 2]
    turn = roma.rotvec_to_rotmat(torch.tensor([1.2, 0.0, 0.0], dtype=torch.float64))
    either = []
    for sign in (turn, turn.mT):
        wrong[:, 3] = wrong[:, 2] + shin @ sign.mT
        either.append(float(ArticulationLimitLoss()(wrong)))
    assert float(ArticulationLimitLoss()(poses)) < 1e-6
    # One way is how knees bend.
    assert min(either) < 1e-6 < 0.01 < max(either)


@pytest.mark.parametrize("hard", [True, False])
def test_a_prior_without_hard_limits_leaves_them_to_the_loss(fit, hard):
    prior = PosePrior(code_size=8, hidden=fit[0].encoder[0].out_features, hard_limits=hard)
    prior.load_state_dict(fit[0].state_dict())
    with torch.no_grad():
        for weight in prior.decoder.parameters():
            weight.mul_(6.0)
    loss = ArticulationLimitLoss()(prior.decode(torch.rand(100, 8) * 2 - 1))
    assert (float(loss) < 1e-4) == hard


def test_synthesis_trains_with_it(model, batch):
    model.prior.hard_limits = False
    with torch.no_grad():
        for weight in model.prior.decoder.parameters():
            weight.mul_(6.0)
    objective = model.objectives["synthesis"]
    assert "loss_articulation" not in objective.loss(model, floats(batch), [])
    objective.articulation = ArticulationLimitLoss()
    loss = objective.loss(model, floats(batch), [])["loss_articulation"]
    assert float(loss) > 0
    (gradient,) = torch.autograd.grad(loss, model.encoder.code_head.weight)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("margin", ["a", None])
def test_a_margin_that_is_no_number(margin):
    with pytest.raises(ValueError, match="margin must be between 0 and 60 degrees, got"):
        ArticulationLimitLoss(margin=margin)
