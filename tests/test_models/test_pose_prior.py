import copy
import logging
import random

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from part_synth.geometry import (
    REST_DIRECTIONS,
    ArticulationLimits,
    bone_lengths,
    forward_kinematics,
    local_directions,
    mirror,
)
from part_synth.models import PosePrior
from tiny_part_synth import make_poses


def codes(count, size=8):
    """Random codes, corners of the cube, and the middle."""
    generator = torch.Generator().manual_seed(3)
    inside = torch.rand(count, size, generator=generator) * 2 - 1
    return torch.cat([inside, inside.sign(), torch.zeros(1, size)])


def wild(fit):
    """A prior whose decoder gives directions all over the sphere."""
    prior = copy.deepcopy(fit[0])
    with torch.no_grad():
        for weight in prior.decoder.parameters():
            weight.mul_(6.0)
    return prior


def mean_distance(a, b):
    return float((a - b).norm(dim=-1).mean())


@pytest.mark.parametrize("kind", ["fitted", "wild"])
def test_any_code_gives_mean_bone_lengths_and_no_violation(fit, kind):
    prior = fit[0] if kind == "fitted" else wild(fit)
    poses = prior.decode(codes(500))
    lengths = bone_lengths(fit[1]).mean(0)
    torch.testing.assert_close(
        bone_lengths(poses), lengths.expand(len(poses), 16), atol=1e-5, rtol=0
    )
    assert (poses[:, 0] == 0).all()
    violation = ArticulationLimits().violation(local_directions(poses.double()))
    assert violation.max() < 2e-3
    if kind == "wild":  # the limits had work to do
        raw = torch.nn.functional.normalize(
            prior.rest + prior.decoder(codes(500)).unflatten(-1, (-1, 3)), dim=-1
        )
        assert (ArticulationLimits().violation(raw) > 0.1).float().mean() > 0.05


def test_decoder_without_a_word_gives_the_rest_pose(fit):
    prior = copy.deepcopy(fit[0])
    with torch.no_grad():
        prior.decoder[-1].weight.zero_()
        prior.decoder[-1].bias.zero_()
    wanted = forward_kinematics(REST_DIRECTIONS.float(), prior.lengths)
    torch.testing.assert_close(prior.decode(codes(1))[0], wanted, atol=1e-5, rtol=0)


def test_direction_of_length_zero_gives_a_pose_and_a_gradient(fit):
    prior = copy.deepcopy(fit[0]).requires_grad_(True)
    with torch.no_grad():
        prior.decoder[-1].weight.zero_()
        prior.decoder[-1].bias.copy_(-prior.rest.flatten())
    code = codes(3).requires_grad_()
    poses = prior(code)
    poses.square().sum().backward()
    assert poses.isfinite().all()
    assert code.grad.isfinite().all()
    assert prior.decoder[-1].weight.grad.isfinite().all()


def test_fit_beats_the_mean_pose(fit):
    prior, poses, error = fit
    retargeted = prior.retarget(poses)
    mean_pose = prior.retarget(poses.mean(0, keepdim=True))
    assert error < 0.6 * mean_distance(retargeted, mean_pose)
    # The error that it reports, computed again; mirror images count as poses.
    both = torch.cat([poses, mirror(poses)])
    again = mean_distance(prior.decode(prior.encode(both)), prior.retarget(both))
    assert error == pytest.approx(again, rel=1e-3)


def test_fit_lowers_the_error(fit):
    start = PosePrior(code_size=8, hidden=64)
    before = start.fit(fit[1], steps=1, batch_size=16, lr=1e-6)
    assert fit[2] < 0.5 * before


def test_muon_fits_better_in_as_many_steps():
    poses = make_poses(400)

    def error(optimizer):
        torch.manual_seed(0)
        prior = PosePrior(code_size=16, hidden=64)
        return prior.fit(poses, steps=60, batch_size=64, optimizer=optimizer)

    assert error({"type": "part_synth.Muon"}) < 0.9 * error(None)


def test_retarget_keeps_directions(fit):
    prior, poses, _ = fit
    retargeted = prior.retarget(poses)
    torch.testing.assert_close(
        local_directions(retargeted), local_directions(poses), atol=2e-4, rtol=0
    )
    torch.testing.assert_close(bone_lengths(retargeted)[0], prior.lengths)


def test_encode_gives_codes_and_reads_directions_only(fit):
    prior, poses, _ = fit
    code = prior.encode(poses)
    assert code.shape == (len(poses), 8)
    assert code.abs().max() <= 1
    torch.testing.assert_close(prior.encode(2.5 * poses), code, atol=1e-4, rtol=0)


def short_fit(seed, steps=5):
    torch.manual_seed(1)
    prior = PosePrior(code_size=4, hidden=16)
    prior.fit(make_poses(100), steps=steps, batch_size=8, seed=seed)
    return torch.cat([weight.flatten() for weight in prior.parameters()])


def test_seed_decides_the_weights():
    assert torch.equal(short_fit(3), short_fit(3))
    assert not torch.equal(short_fit(3), short_fit(4))


def test_global_random_state_is_left_alone():
    prior = PosePrior(code_size=4, hidden=16)
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    prior.fit(make_poses(100), steps=3, batch_size=8)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert (np.random.get_state()[1] == state[2]).all()


def test_fit_works_without_gradients_and_leaves_the_prior_frozen():
    prior = PosePrior(code_size=4, hidden=16)
    before = prior.decoder[0].weight.clone()
    with torch.no_grad():
        prior.fit(make_poses(100), steps=2, batch_size=8)
    assert not torch.equal(prior.decoder[0].weight, before)
    assert not any(weight.requires_grad for weight in prior.parameters())


def test_fit_takes_double_precision_and_leaves_the_poses_alone():
    poses = make_poses(100, dtype=torch.float64)
    copied = poses.clone()
    prior = PosePrior(code_size=4, hidden=16)
    prior.fit(poses, steps=2, batch_size=8)
    assert torch.equal(poses, copied)
    assert prior.lengths.dtype == torch.float32


def test_fitted_survives_a_state_dict(fit):
    fresh = PosePrior(code_size=8, hidden=64)
    assert not fresh.fitted
    fresh.load_state_dict(copy.deepcopy(fit[0].state_dict()))
    assert fresh.fitted
    assert torch.equal(fresh.decode(codes(4)), fit[0].decode(codes(4)))


def test_fit_says_how_good_it_is(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO):
            error = PosePrior(code_size=4, hidden=16).fit(make_poses(100), steps=2, batch_size=8)
    finally:
        logger.removeHandler(caplog.handler)
    assert f"100 unpaired poses: reconstruction error {1000 * error:.1f} mm" in caplog.text


@pytest.mark.parametrize("shape", [(99, 17, 3), (100, 51), (0, 17, 3)])
def test_too_few_poses_or_another_shape(shape):
    with pytest.raises(ValueError, match=r"at least 100 unpaired poses \(M, 17, 3\).*got"):
        PosePrior().fit(torch.rand(shape))
