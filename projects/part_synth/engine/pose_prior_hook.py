"""The pose prior before the first step."""

from __future__ import annotations

from mmengine.hooks import Hook

from part_synth.registry import HOOKS

from .unwrap import unwrap


@HOOKS.register_module()
class PosePriorHook(Hook):
    """Fit the model's pose prior to its unpaired poses when it has not been fitted yet.

    A prior that came with a checkpoint (``load_from`` or ``--resume``) is kept. Every rank fits
    the same prior from the same seed.

    Args:
        steps: Optimiser steps.
        batch_size: Poses per step.
        seed: Seed of the fit.
        optimizer: Config of the optimiser; None = Adam. See
            :meth:`part_synth.models.pose_prior.PosePrior.fit`.
    """

    # Before the untrained network is tested and before moving averages copy the weights.
    priority = "VERY_HIGH"

    def __init__(
        self,
        steps: int = 3000,
        batch_size: int = 256,
        seed: int = 0,
        optimizer: dict | None = None,
    ) -> None:
        for name, value in (("steps", steps), ("batch_size", batch_size)):
            if value < 1:
                raise ValueError(f"{name} of PosePriorHook must be at least 1, got {value!r}")
        self.steps = steps
        self.batch_size = batch_size
        self.seed = seed
        self.optimizer = optimizer

    def before_train(self, runner) -> None:
        """Fit, once weights are initialised and a checkpoint, if any, is loaded."""
        model = unwrap(runner.model)
        if not model.prior.fitted:
            poses = model.load_unpaired_poses()
            model.prior.fit(
                poses, self.steps, self.batch_size, seed=self.seed, optimizer=self.optimizer
            )


@HOOKS.register_module()
class PosePriorLengthsHook(Hook):
    """Give a ``part_synth.PosePriorModel`` the mean bone lengths of its training poses."""

    # Before moving averages copy the weights.
    priority = "VERY_HIGH"

    def before_train(self, runner) -> None:
        """Set the lengths, unless a checkpoint brought them."""
        prior = unwrap(runner.model).prior
        if not prior.fitted:
            prior.set_lengths(runner.train_dataloader.dataset.poses_body)
