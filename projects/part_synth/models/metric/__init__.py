"""System C: multi-view metric learning."""

from .consensus import (
    ViewConsensusLoss,
    agreed_poses,
    consensus_joints,
    consensus_rotations,
    mirror_rotations,
    view_disagreement,
)
from .distance_loss import PoseDistanceLoss
from .identity import IdentityAdversary, reverse_gradient
from .losses import HardestNegativeLoss, InfoNCELoss, MetricLoss, TripletLoss
from .metric_pose import MetricPoseModel
from .mining import hardest_negatives, negative_mask, squared_distances
from .networks import CanonicalPoseHead, EmbeddingEncoder, PoseEmbedding
from .pose_loss import CanonicalPoseLoss
from .spread_loss import EmbeddingSpreadLoss

__all__ = [
    "CanonicalPoseHead",
    "CanonicalPoseLoss",
    "EmbeddingEncoder",
    "EmbeddingSpreadLoss",
    "HardestNegativeLoss",
    "IdentityAdversary",
    "InfoNCELoss",
    "MetricLoss",
    "MetricPoseModel",
    "PoseDistanceLoss",
    "PoseEmbedding",
    "TripletLoss",
    "ViewConsensusLoss",
    "agreed_poses",
    "consensus_joints",
    "consensus_rotations",
    "hardest_negatives",
    "mirror_rotations",
    "negative_mask",
    "reverse_gradient",
    "squared_distances",
    "view_disagreement",
]
