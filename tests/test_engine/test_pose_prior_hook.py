from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.runner import get_priority
from part_synth.engine import PosePriorHook
from part_synth.geometry import REST_DIRECTIONS, forward_kinematics
from part_synth.models import PosePrior
from part_synth.registry import HOOKS


class Model:
    """What the hook needs of a PartSynth."""

    def __init__(self, count=120):
        torch.manual_seed(3)
        self.prior = PosePrior(code_size=4, hidden=16)
        self.reads = 0
        self.count = count

    def load_unpaired_poses(self):
        self.reads += 1
        generator = torch.Generator().manual_seed(0)
        noise = 0.2 * torch.randn(self.count, 16, 3, generator=generator)
        return forward_kinematics(REST_DIRECTIONS.float() + noise, torch.full((16,), 0.3))


def weights(model):
    return torch.cat([weight.flatten() for weight in model.prior.parameters()])


def fit(model, **arguments):
    hook = HOOKS.build(
        {"type": "part_synth.PosePriorHook", "steps": 4, "batch_size": 8, **arguments}
    )
    hook.before_train(SimpleNamespace(model=model))


def test_fits_an_unfitted_prior():
    model = Model()
    before = weights(model).clone()
    fit(model)
    assert model.prior.fitted
    assert not torch.equal(weights(model), before)
    assert not any(weight.requires_grad for weight in model.prior.parameters())


def test_optimiser_is_that_of_the_config():
    adam, still = Model(), Model()
    fit(adam)
    fit(still, optimizer={"type": "SGD", "lr": 0.0})
    assert torch.equal(weights(still), weights(Model()))
    assert not torch.equal(weights(adam), weights(still))


def test_keeps_a_fitted_prior():
    """One that came with a checkpoint: the poses need not even be there."""
    model = Model()
    fit(model)
    state, fresh = model.prior.state_dict(), Model()
    fresh.prior.load_state_dict(state)
    before = weights(fresh).clone()
    fit(fresh)
    assert torch.equal(weights(fresh), before)
    assert fresh.reads == 0


def test_every_process_gets_the_same_prior():
    first, second, other = Model(), Model(), Model()
    torch.manual_seed(1)
    fit(first)
    torch.manual_seed(2)
    fit(second)
    fit(other, seed=5)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_arguments_reach_the_fit(monkeypatch):
    calls = []
    monkeypatch.setattr(
        PosePrior,
        "fit",
        lambda _, poses, *args, **named: calls.append((len(poses), args, named)),
    )
    fit(Model(), steps=7, batch_size=9, seed=11)
    assert calls == [(120, (7, 9), {"seed": 11, "optimizer": None})]


def test_finds_the_model_inside_a_wrapper(monkeypatch):
    module = "part_synth.engine.unwrap.is_model_wrapper"
    monkeypatch.setattr(module, lambda model: isinstance(model, SimpleNamespace))
    model = Model()
    fit(SimpleNamespace(module=model))
    assert model.prior.fitted


def test_too_few_poses():
    with pytest.raises(ValueError, match="at least 100 unpaired poses"):
        fit(Model(count=50))


def test_comes_before_moving_averages_copy_the_weights():
    assert get_priority(PosePriorHook().priority) < get_priority(EMAHook.priority)
