"""Transforms that all frame data sets share; ``person_crop_pipeline`` is the usual chain."""

from part_synth.datasets.transforms.cropping import CropPerson, crop_square, normalise_keypoints
from part_synth.datasets.transforms.keypoint_window import PackKeypointWindow
from part_synth.datasets.transforms.loading import LoadBackground, LoadFrames, LoadPartLabels
from part_synth.datasets.transforms.packing import PackFrames
from part_synth.datasets.transforms.pipeline import person_crop_pipeline

__all__ = [
    "CropPerson",
    "LoadBackground",
    "LoadFrames",
    "LoadPartLabels",
    "PackFrames",
    "PackKeypointWindow",
    "crop_square",
    "normalise_keypoints",
    "person_crop_pipeline",
]
