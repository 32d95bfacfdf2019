"""Soft articulation limits, for poses that nothing keeps human.

Symbols: B batch, K = 17 joints.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from part_synth.geometry import (
    ArticulationLimits,
    canonicalise_camera_pose,
    full_precision,
    local_directions,
)
from part_synth.registry import MODELS


@MODELS.register_module()
class ArticulationLimitLoss(BaseModule):
    """How far bones are bent beyond what joints allow.

    The limits are those of :class:`~part_synth.geometry.ArticulationLimits`. A
    :class:`~part_synth.models.pose_prior.PosePrior` keeps them by construction unless
    ``hard_limits=False``; this loss is for that and for heads without a prior.

    Args:
        margin: Degrees by which every limit is widened.
        loss_weight: Weight, per radian of the mean over bones.
    """

    def __init__(self, margin: float = 10.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.limits = ArticulationLimits(margin)
        self.loss_weight = loss_weight

    @full_precision
    def forward(self, joints: Tensor) -> Tensor:
        """Mean violation of (B, K, 3) poses in any right-handed frame; a scalar, 0 inside."""
        directions = local_directions(canonicalise_camera_pose(joints)[0])
        return self.loss_weight * self.limits.violation(directions).mean()
