"""Which objectives take turns, and when."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from mmengine.hooks import Hook

from part_synth.registry import HOOKS

from .unwrap import unwrap


@HOOKS.register_module()
class ObjectiveScheduleHook(Hook):
    """Give each training iteration its objective, by phases of epochs.

    A phase is ``dict(until=E, cycle=['puppet', 'synthesis'])``: in epochs below E (counted from
    0, E not included) its objectives take turns in this order, one an iteration. The last phase
    needs no ``until``.

    Args:
        phases: The phases, in order.
    """

    # Names are checked before the untrained network is tested, which takes a while.
    priority = "HIGH"

    def __init__(self, phases: Sequence[dict]) -> None:
        if not phases:
            raise ValueError("ObjectiveScheduleHook needs at least one phase, got none")
        previous = 0
        for i, phase in enumerate(phases):
            unknown = set(phase) - {"until", "cycle"}
            if unknown or not phase.get("cycle"):
                raise ValueError(
                    "a phase is dict(until=epoch, cycle=[objective, ...]) with a cycle that is "
                    f"not empty, got {phase}"
                )
            if isinstance(phase["cycle"], str):
                raise ValueError(f"a phase's cycle is a list of names, got {phase['cycle']!r}")
            last = i == len(phases) - 1
            if not last and phase.get("until", 0) <= previous:
                raise ValueError(
                    "every phase but the last needs an `until` above that of the phase before, "
                    f"got {phase} after epoch {previous}"
                )
            previous = phase.get("until", previous)
        self.phases = list(phases)

    def cycle(self, epoch: int) -> list[str]:
        """The objectives that take turns in an epoch (counted from 0)."""
        for phase in self.phases[:-1]:
            if epoch < phase["until"]:
                return list(phase["cycle"])
        return list(self.phases[-1]["cycle"])

    def before_train(self, runner) -> None:
        """Check every name before hours are spent, and expect optimisers to wait for their turn."""
        # The schedules of optimisers that wait for a later phase go on without them: no mistake.
        warnings.filterwarnings(
            "ignore", r"Detected call of `scheduler\.step\(\)` before", UserWarning
        )
        model = unwrap(runner.model)
        for phase in self.phases:
            for name in phase["cycle"]:
                if name not in model.objectives:
                    raise ValueError(
                        f"the schedule names the objective {name!r}; the model has "
                        f"{list(model.objectives)}"
                    )
        if not getattr(getattr(model, "prior", None), "fitted", True):
            raise ValueError(
                "the model's pose prior is not fitted, and poses are nothing without it: continue "
                "from a trained model with --cfg-options load_from=CHECKPOINT, or add "
                "dict(type='part_synth.PosePriorHook') to custom_hooks"
            )

    def before_train_epoch(self, runner) -> None:
        """Tell the objectives that an epoch starts, and take the losses of idle ones off the log.

        mmengine would log them on as they were when the objective last had a turn.
        """
        model = unwrap(runner.model)
        for objective in model.objectives.values():
            objective.start_epoch()
        idle = tuple(f"train/{n}/" for n in set(model.objectives) - set(self.cycle(runner.epoch)))
        scalars = runner.message_hub.log_scalars
        for name in [name for name in scalars if name.startswith(idle)]:
            del scalars[name]

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Set the objective of this iteration."""
        model = unwrap(runner.model)
        cycle = self.cycle(runner.epoch)
        model.current_objective = cycle[batch_idx % len(cycle)]
