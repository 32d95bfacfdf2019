"""What lifting is trained on: geometric self-supervision, or 3D labels.

Symbols: B clips, T frames, K joints.
"""

from __future__ import annotations

import logging
from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS

from .cycle import run_cycle

if TYPE_CHECKING:
    from .lifting_model import LiftingModel


class LiftingObjective(BaseModule, metaclass=ABCMeta):
    """One way to train a lifter."""

    @abstractmethod
    def loss(self, model: LiftingModel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses of one batch, by name.

        Args:
            model: The model; its lifter is trained.
            inputs: See :meth:`LiftingModel.forward`.
        """


@MODELS.register_module()
class GeometricSelfSupervision(LiftingObjective):
    """Lift, look from elsewhere, lift again: what comes out must be consistent, and look real.

    Chen et al. (CVPR 2019) with cycle and adversarial losses; with
    ``part_synth.LearnedElevationViews``, ``part_synth.BoneRatioLoss``,
    ``part_synth.DeformationLoss`` and ``part_synth.FlowPriorLoss`` what ElePose (CVPR 2022) adds.
    Each part is a line of the config.

    Args:
        views: Config of where poses are looked at from.
        losses: Configs of the losses of the cycle, by name; None leaves one out.
        adversarial: Configs of the adversarial losses, by name; None leaves one out.
    """

    def __init__(
        self,
        views: dict | None = None,
        losses: dict[str, dict | None] | None = None,
        adversarial: dict[str, dict | None] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.views = MODELS.build(views or {"type": "part_synth.UniformViews"})
        self.losses = _build_all(losses)
        self.adversarial = _build_all(adversarial)

    def loss(self, model: LiftingModel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses of one batch; see :class:`LiftingObjective`. Games need ``inputs['real']``."""
        points = inputs["points"]
        cycle = run_cycle(model.lifter, points, self.views(points), model.distance)
        values = {f"loss_{name}": term(cycle) for name, term in self.losses.items()}
        for name, game in self.adversarial.items():
            if "real" not in inputs:
                raise ValueError(
                    "Adversarial losses need real clips beside the lifted ones: set real=True of "
                    "the training data set."
                )
            values[f"loss_{name}"], values[f"loss_{name}_critic"] = game(cycle, inputs["real"])
        return values


@MODELS.register_module()
class SupervisedLifting(LiftingObjective):
    """Mean distance to the true joints, all labels known: the ceiling of the methods without.

    Args:
        loss_weight: Weight.
    """

    def __init__(self, loss_weight: float = 1.0, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.loss_weight = loss_weight

    def loss(self, model: LiftingModel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses of one batch; see :class:`LiftingObjective`. Needs ``inputs['joints']``.

        The true pose counts at the size of the predicted one: the size is not in the 2D pose.
        """
        if "joints" not in inputs:
            raise ValueError(
                "SupervisedLifting needs the true joints: set labels=True of the training data set."
            )
        predicted = model.lift(inputs["points"])
        predicted = predicted - predicted[..., :1, :]
        true = inputs["joints"]
        factor = (predicted * true).sum((-2, -1), keepdim=True) / true.square().sum(
            (-2, -1), keepdim=True
        ).clamp_min(1e-8)
        distance = (predicted - factor.detach() * true).norm(dim=-1)
        return {"loss_mpjpe": self.loss_weight * distance.mean()}


def _build_all(configs: dict[str, dict | None] | None) -> nn.ModuleDict:
    left_out = [name for name, cfg in (configs or {}).items() if cfg is None]
    if left_out:
        kept = [name for name in configs if name not in left_out]
        print_log(
            f"Losses left out by the config: {', '.join(left_out)}; kept: "
            f"{', '.join(kept) or 'none'}.",
            logger="current",
            level=logging.WARNING,
        )
    return nn.ModuleDict(
        {name: MODELS.build(cfg) for name, cfg in (configs or {}).items() if cfg is not None}
    )
