from types import SimpleNamespace

import pytest
import torch
from data_factory import make_tiny_h36m
from mmengine.logging import MMLogger
from part_synth.datasets import KeypointClipDataset
from part_synth.engine import KeypointAdapterHook, LiftingPriorsHook
from torch import nn


class Fittable(nn.Module):
    def __init__(self, fitted=False):
        super().__init__()
        self.fitted = fitted
        self.weight = nn.Parameter(torch.zeros(1))

    def fit(self, points, seed=0, steps=1):
        self.fitted, self.points, self.seed, self.steps = True, points, seed, steps


@pytest.fixture(scope="module")
def h36m_root(tmp_path_factory):
    return make_tiny_h36m(tmp_path_factory.mktemp("h36m"), frames=6, parts=False)


@pytest.fixture
def runner(h36m_root):
    data = KeypointClipDataset(h36m_root, split="train", real=True)
    model = nn.ModuleDict({"lifter": nn.Linear(2, 2), "prior": Fittable(), "old": Fittable(True)})
    return SimpleNamespace(
        model=model,
        train_dataloader=SimpleNamespace(dataset=data),
        logger=MMLogger.get_current_instance(),
    )


def test_what_is_not_fitted_is_fitted_to_the_training_poses(runner):
    LiftingPriorsHook(options={"Fittable": {"steps": 7, "seed": 5}}).before_train(runner)
    prior, old = runner.model["prior"], runner.model["old"]
    assert torch.equal(prior.points, runner.train_dataloader.dataset.all_points())
    assert (prior.seed, prior.steps) == (5, 7)
    assert not hasattr(old, "points")


def external(root):
    return {"type": "part_synth.KeypointClipDataset", "data_root": str(root), "split": "test"}


def test_poses_of_another_domain_join_as_they_are(runner, h36m_root):
    data = runner.train_dataloader.dataset
    before = data.all_points()
    KeypointAdapterHook(external(h36m_root)).before_train(runner)
    other = KeypointClipDataset(h36m_root, split="test").all_points()
    torch.testing.assert_close(data.all_points(), torch.cat([before, other]))


def test_or_adapted_the_same_way_every_time(runner, h36m_root):
    data = runner.train_dataloader.dataset
    count = len(data.all_points())
    adapter = {"type": "part_synth.KeypointAdapter", "width": 8, "num_blocks": 1, "penalty": 0.1}
    state = torch.get_rng_state()
    KeypointAdapterHook(external(h36m_root), adapter, seed=1, steps=20).before_train(runner)
    assert torch.equal(state, torch.get_rng_state())
    first = data.all_points()[count:]
    assert not torch.allclose(first, KeypointClipDataset(h36m_root, split="test").all_points())
    runner.train_dataloader.dataset = KeypointClipDataset(h36m_root, split="train", real=True)
    KeypointAdapterHook(external(h36m_root), adapter, seed=1, steps=20).before_train(runner)
    torch.testing.assert_close(runner.train_dataloader.dataset.all_points()[count:], first)


@pytest.mark.parametrize("hook", [LiftingPriorsHook(), KeypointAdapterHook({})])
def test_other_data_sets_are_refused(hook, runner):
    runner.train_dataloader.dataset = [1, 2, 3]
    with pytest.raises(ValueError, match="KeypointClipDataset, not on list"):
        hook.before_train(runner)
