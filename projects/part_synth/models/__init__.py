"""Models: encoder, prior, puppet, synthesis, objectives and losses, all registered."""

from .backbones import TinyResNet, TorchvisionResNet
from .data_preprocessor import PartSynthDataPreprocessor
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
    "Appearance",
    "AppearanceEncoder",
    "Capsule",
    "CropCamera",
    "ForegroundLoss",
    "MultiScaleL1Loss",
    "NovelImageSynthesis",
    "Objective",
    "PaintedPuppets",
    "PartMaps",
    "PartSegmentationLoss",
    "PartSynth",
    "PartSynthDataPreprocessor",
    "PoseEncoder",
    "PoseEncoding",
    "PosePrior",
    "PoseReadingLoss",
    "Puppet",
    "PuppetPainter",
    "PuppetPretraining",
    "ReadingTieLoss",
    "SupervisedPose",
    "SynthesisDecoder",
    "SynthesizedImage",
    "TinyResNet",
    "TorchvisionResNet",
    "extend_joints",
    "fit_to_crop",
]
