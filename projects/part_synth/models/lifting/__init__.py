"""System B: lifting 2D joints to 3D, trained without 3D labels."""

from .cycle import LiftingCycle, run_cycle
from .flow_prior import FlowPrior
from .keypoint_adapter import KeypointAdapter
from .keypoint_infill import KeypointInfill
from .lifting_model import LiftingModel
from .losses import (
    AdversarialLoss,
    BoneRatioLoss,
    Cycle2DLoss,
    Cycle3DLoss,
    DeformationLoss,
    FlowPriorLoss,
    MotionAdversarialLoss,
    PoseAdversarialLoss,
)
from .networks import ClipLifter, FrameLifter, PoseCritic, ResidualMLP
from .objectives import GeometricSelfSupervision, LiftingObjective, SupervisedLifting
from .views import LearnedElevationViews, UniformViews

__all__ = [
    "AdversarialLoss",
    "BoneRatioLoss",
    "ClipLifter",
    "Cycle2DLoss",
    "Cycle3DLoss",
    "DeformationLoss",
    "FlowPrior",
    "FlowPriorLoss",
    "FrameLifter",
    "GeometricSelfSupervision",
    "KeypointAdapter",
    "KeypointInfill",
    "LearnedElevationViews",
    "LiftingCycle",
    "LiftingModel",
    "LiftingObjective",
    "MotionAdversarialLoss",
    "PoseAdversarialLoss",
    "PoseCritic",
    "ResidualMLP",
    "SupervisedLifting",
    "UniformViews",
    "run_cycle",
]
