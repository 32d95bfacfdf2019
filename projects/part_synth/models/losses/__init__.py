"""Losses: one registered class each, ``forward(pred, target, ...) -> Tensor`` with its weight."""

from .appearance_loss import AppearanceCycleLoss
from .articulation_loss import ArticulationLimitLoss
from .image_losses import (
    ForegroundLoss,
    ForegroundReadingLoss,
    MultiScaleL1Loss,
    PartAgreementLoss,
    PartReadingLoss,
    PartSegmentationLoss,
    foreground_evidence,
)
from .perceptual_loss import PerceptualLoss, RandomFeatures
from .pose_adversary import UnpairedPoseAdversary
from .pose_losses import PoseReadingLoss, ReadingTieLoss

__all__ = [
    "AppearanceCycleLoss",
    "ArticulationLimitLoss",
    "ForegroundLoss",
    "ForegroundReadingLoss",
    "MultiScaleL1Loss",
    "PartAgreementLoss",
    "PartReadingLoss",
    "PartSegmentationLoss",
    "PerceptualLoss",
    "PoseReadingLoss",
    "RandomFeatures",
    "ReadingTieLoss",
    "UnpairedPoseAdversary",
    "foreground_evidence",
]
