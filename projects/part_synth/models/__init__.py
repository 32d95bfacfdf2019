"""Models: encoder, prior, puppet, synthesis, objectives and losses, all registered."""

from .backbones import TinyResNet, TorchvisionResNet
from .data_preprocessor import PartSynthDataPreprocessor
from .lifting import (
    AdversarialLoss,
    BoneRatioLoss,
    ClipLifter,
    Cycle2DLoss,
    Cycle3DLoss,
    DeformationLoss,
    FlowPrior,
    FlowPriorLoss,
    FrameLifter,
    GeometricSelfSupervision,
    KeypointAdapter,
    KeypointInfill,
    LearnedElevationViews,
    LiftingModel,
    LiftingObjective,
    MotionAdversarialLoss,
    PoseAdversarialLoss,
    PoseCritic,
    SupervisedLifting,
    UniformViews,
)
from .losses import (
    ForegroundLoss,
    MultiScaleL1Loss,
    PartSegmentationLoss,
    PoseReadingLoss,
    ReadingTieLoss,
)
from .objectives import NovelImageSynthesis, Objective, PuppetPretraining, SupervisedPose
from .part_synth import PartSynth
from .pose_encoder import PoseEncoder, PoseEncoding
from .pose_prior import PosePrior
from .puppet import DEFAULT_PUPPET, Capsule, PartMaps, Puppet, extend_joints
from .puppet_painter import PaintedPuppets, PuppetPainter
from .synthesizer import Appearance, AppearanceEncoder, SynthesisDecoder, SynthesizedImage
from .view import CropCamera, fit_to_crop

__all__ = [
    "DEFAULT_PUPPET",
    "AdversarialLoss",
    "Appearance",
    "AppearanceEncoder",
    "BoneRatioLoss",
    "Capsule",
    "ClipLifter",
    "CropCamera",
    "Cycle2DLoss",
    "Cycle3DLoss",
    "DeformationLoss",
    "FlowPrior",
    "FlowPriorLoss",
    "ForegroundLoss",
    "FrameLifter",
    "GeometricSelfSupervision",
    "KeypointAdapter",
    "KeypointInfill",
    "LearnedElevationViews",
    "LiftingModel",
    "LiftingObjective",
    "MotionAdversarialLoss",
    "MultiScaleL1Loss",
    "NovelImageSynthesis",
    "Objective",
    "PaintedPuppets",
    "PartMaps",
    "PartSegmentationLoss",
    "PartSynth",
    "PartSynthDataPreprocessor",
    "PoseAdversarialLoss",
    "PoseCritic",
    "PoseEncoder",
    "PoseEncoding",
    "PosePrior",
    "PoseReadingLoss",
    "Puppet",
    "PuppetPainter",
    "PuppetPretraining",
    "ReadingTieLoss",
    "SupervisedLifting",
    "SupervisedPose",
    "SynthesisDecoder",
    "SynthesizedImage",
    "TinyResNet",
    "TorchvisionResNet",
    "UniformViews",
    "extend_joints",
    "fit_to_crop",
]
