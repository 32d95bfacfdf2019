import itertools
import warnings
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.optim import LinearLR
from part_synth.engine import ObjectiveScheduleHook
from part_synth.registry import HOOKS

_HUBS = itertools.count()
PHASES = [
    {"until": 2, "cycle": ["puppet"]},
    {"until": 5, "cycle": ["puppet", "synthesis"]},
    {"cycle": ["synthesis", "synthesis", "puppet"]},
]


class Objective:
    def __init__(self):
        self.started = 0

    def start_epoch(self):
        self.started += 1


class Wrapper(SimpleNamespace):
    """A distributed wrapper keeps the model as `module`."""


def make_runner(wrapped=False):
    model = SimpleNamespace(
        objectives={"puppet": Objective(), "synthesis": Objective()}, current_objective=None
    )
    hub = MessageHub(f"hub_{next(_HUBS)}")
    model_seen = Wrapper(module=model) if wrapped else model
    return SimpleNamespace(model=model_seen, epoch=0, message_hub=hub), model


@pytest.fixture
def wrappers(monkeypatch):
    module = "part_synth.engine.unwrap.is_model_wrapper"
    monkeypatch.setattr(module, lambda model: isinstance(model, Wrapper))


@pytest.mark.parametrize("wrapped", [False, True])
def test_objectives_take_turns_by_phase(wrappers, wrapped):
    runner, model = make_runner(wrapped)
    hook = HOOKS.build({"type": "part_synth.ObjectiveScheduleHook", "phases": PHASES})
    hook.before_train(runner)
    turns = {}
    for runner.epoch in range(7):
        hook.before_train_epoch(runner)
        turns[runner.epoch] = ""
        for batch_idx in range(4):
            hook.before_train_iter(runner, batch_idx)
            turns[runner.epoch] += model.current_objective[0]
    assert turns == {0: "pppp", 1: "pppp", 2: "psps", 3: "psps", 4: "psps", 5: "ssps", 6: "ssps"}
    assert [o.started for o in model.objectives.values()] == [7, 7]


def test_a_run_that_is_resumed_continues_with_its_phase():
    runner, model = make_runner()
    runner.epoch = 5
    ObjectiveScheduleHook(PHASES).before_train_iter(runner, 2)
    assert model.current_objective == "puppet"


def test_optimisers_that_wait_for_their_phase_are_no_mistake():
    def schedule_of_an_idle_optimiser():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        return LinearLR(optimizer, start_factor=0.1, by_epoch=False, end=10)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        schedule_of_an_idle_optimiser().step()
        assert len(seen) == 1
        ObjectiveScheduleHook(PHASES).before_train(make_runner()[0])
        schedule_of_an_idle_optimiser().step()
    assert len(seen) == 1


def test_losses_of_idle_objectives_leave_the_log():
    runner, _ = make_runner()
    hook = ObjectiveScheduleHook([{"until": 1, "cycle": ["puppet"]}, {"cycle": ["synthesis"]}])
    kept = ["train/loss", "train/synthesis/loss", "val/puppet/loss"]
    for name in ["train/puppet/loss", *kept]:
        runner.message_hub.update_scalar(name, 1.0)
    hook.before_train_epoch(runner)
    assert set(runner.message_hub.log_scalars) == {"train/puppet/loss", *kept} - {kept[1]}
    runner.epoch = 1
    hook.before_train_epoch(runner)
    assert set(runner.message_hub.log_scalars) == {"train/loss", "val/puppet/loss"}


def test_cycle_is_a_copy():
    hook = ObjectiveScheduleHook(PHASES)
    hook.cycle(0).append("other")
    assert hook.cycle(0) == ["puppet"]


def test_unknown_objective_is_found_before_training():
    runner, _ = make_runner()
    hook = ObjectiveScheduleHook([{"until": 3, "cycle": ["puppet"]}, {"cycle": ["cycle_gan"]}])
    with pytest.raises(ValueError, match=r"'cycle_gan'; the model has \['puppet', 'synthesis'\]"):
        hook.before_train(runner)


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ([], "at least one phase"),
        ([{"cycle": []}], "a cycle that is not empty"),
        ([{"until": 3}], "a cycle that is not empty"),
        ([{"untill": 3, "cycle": ["a"]}], r"dict\(until=epoch, cycle=\[objective"),
        ([{"cycle": ["a"]}, {"cycle": ["b"]}], "needs an `until` above"),
        ([{"until": 3, "cycle": ["a"]}, {"until": 3, "cycle": ["b"]}, {}], "after epoch 3"),
        ([{"until": 0, "cycle": ["a"]}, {"cycle": ["b"]}], "after epoch 0"),
        ([{"cycle": "puppet"}], "a list of names"),
    ],
)
def test_mistakes(phases, words):
    with pytest.raises(ValueError, match=words):
        ObjectiveScheduleHook(phases)


def test_a_prior_that_is_not_fitted_is_found_before_training():
    runner, model = make_runner()
    model.prior = SimpleNamespace(fitted=False)
    hook = ObjectiveScheduleHook(PHASES)
    with pytest.raises(ValueError, match=r"prior is not fitted.*load_from=CHECKPOINT.*PosePrior"):
        hook.before_train(runner)
    model.prior.fitted = True
    hook.before_train(runner)


def test_a_real_model_is_no_wrapper():
    class Model(BaseModel):
        def __init__(self):
            super().__init__(BaseDataPreprocessor())
            self.objectives = {"puppet": Objective()}

        def forward(self, *args, **kwargs):
            raise NotImplementedError

    model = Model()
    hook = ObjectiveScheduleHook([{"cycle": ["puppet"]}])
    runner = SimpleNamespace(model=model, epoch=0)
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    assert model.current_objective == "puppet"
