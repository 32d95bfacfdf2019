"""Objectives: what one training step minimises. Each is a registered class with `loss`.

An objective names the optimisers it steps (``optimizers``) and computes named losses from the
model's parts and one batch. A schedule (``part_synth.ObjectiveScheduleHook``) says which
objectives take turns in which epochs.
"""

from .base import Objective, flat_frames
from .novel_image_synthesis import NovelImageSynthesis
from .puppet_pretraining import PuppetPretraining
from .reading_consistency import ReadingConsistency
from .supervised_pose import SupervisedPose
from .synthesis_cycle import SynthesisCycle

__all__ = [
    "NovelImageSynthesis",
    "Objective",
    "PuppetPretraining",
    "ReadingConsistency",
    "SupervisedPose",
    "SynthesisCycle",
    "flat_frames",
]
