"""What lifting needs before its first step: priors, infill, and 2D poses from elsewhere."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook

from part_synth.registry import DATASETS, HOOKS, MODELS

from .unwrap import unwrap


@HOOKS.register_module()
class LiftingPriorsHook(Hook):
    """Fit everything of a lifting model that learns from the 2D poses ahead of training.

    Every submodule with ``fit(points, ...)`` and a ``fitted`` flag that is not set is fitted to the
    2D poses of the training set: ``part_synth.KeypointInfill``, ``part_synth.FlowPrior``. What
    came with a checkpoint (``load_from`` or ``--resume``) is kept. All ranks fit the same.

    Args:
        options: Further arguments of ``fit`` by the class's name, such as
            ``dict(FlowPrior=dict(steps=2000, seed=1))``.
    """

    # Before the untrained network is tested and before moving averages copy the weights.
    priority = "VERY_HIGH"

    def __init__(self, options: dict[str, dict] | None = None) -> None:
        self.options = options or {}

    def before_train(self, runner) -> None:
        """Fit, once weights are initialised and a checkpoint, if any, is loaded."""
        model = unwrap(runner.model)
        points = None
        for name, module in model.named_modules():
            if not hasattr(module, "fit") or getattr(module, "fitted", True):
                continue
            if points is None:
                device = next(model.parameters()).device
                points = _training_set(runner).all_points().to(device)
            runner.logger.info(f"Fitting {name} to {len(points)} 2D poses.")
            module.fit(points, **self.options.get(type(module).__name__, {}))


@HOOKS.register_module()
class KeypointAdapterHook(Hook):
    """Add 2D poses of another domain to the training set, adapted to it (Chen et al., CVPR 2019).

    Args:
        external: Config of a ``part_synth.KeypointClipDataset`` with the other domain's poses.
        adapter: Config of the ``part_synth.KeypointAdapter``; None adds the poses as they are.
        seed: Seed of the adapter's weights and draws.
        **options: Further arguments of the adapter's ``fit``.
    """

    # Before priors are fitted to the training set.
    priority = "VERY_HIGH"

    def __init__(
        self, external: dict, adapter: dict | None = None, seed: int = 0, **options
    ) -> None:
        self.external = external
        self.adapter = adapter
        self.seed = seed
        self.options = options

    def before_train(self, runner) -> None:
        """Fit the adapter to both domains and add what it makes of the other one."""
        training_set = _training_set(runner)
        points = DATASETS.build(self.external).all_points()
        if self.adapter is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                adapter = MODELS.build(self.adapter)
            adapter.fit(points, training_set.all_points(), seed=self.seed, **self.options)
            with torch.no_grad():
                points = adapter(points)
        training_set.add_points(points)
        runner.logger.info(f"{len(points)} 2D poses of another domain join the training set.")


def _training_set(runner):
    data = runner.train_dataloader.dataset
    if not hasattr(data, "all_points"):
        raise ValueError(
            "This hook needs 2D poses to learn from: train on part_synth.KeypointClipDataset, not "
            f"on {type(data).__name__}."
        )
    return data
