"""Losses: one registered class each, ``forward(pred, target, ...) -> Tensor`` with its weight."""

from .image_losses import ForegroundLoss, MultiScaleL1Loss, PartSegmentationLoss
from .pose_losses import PoseReadingLoss, ReadingTieLoss

__all__ = [
    "ForegroundLoss",
    "MultiScaleL1Loss",
    "PartSegmentationLoss",
    "PoseReadingLoss",
    "ReadingTieLoss",
]
