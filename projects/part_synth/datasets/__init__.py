"""Data sets.

Map for users:

- layouts: :class:`FrameIndex` and its registered kinds ``h36m`` (:class:`Human36mFrames`),
  ``mpi_inf_3dhp`` (:class:`MpiInf3dhpFrames`) and ``wild`` (:class:`WildFrames`): which frames
  there are, and what is known of them; :func:`prepare_videos` makes the last from videos;
- data sets: :class:`PoseFrameDataset` (single frames), :class:`VideoPairDataset` (frames of one
  video some time apart), :class:`MultiViewDataset` (one instant, several cameras),
  :class:`UnpairedPoseDataset` (3D poses without images), :class:`MixtureDataset` (several of
  them side by side, each with its share of every batch);
- transforms: loading, square crops of people, packing; see ``transforms``;
- :class:`EpochSeededSampler`, :class:`MixtureBatchSampler`, :class:`MultiViewBatchSampler`,
  :func:`collate`, :class:`MedianBackgrounds`.

A new layout on disk: subclass :class:`FrameIndex`, implement ``from_disk``, register it in
``LAYOUTS``. A new way of choosing frames: subclass :class:`FrameDataset`. Nothing else changes.
"""

from part_synth.datasets.backgrounds import MedianBackgrounds, temporal_median
from part_synth.datasets.collate import collate, take_batch
from part_synth.datasets.frame_datasets import FrameDataset, PoseFrameDataset
from part_synth.datasets.frame_index import LAYOUTS, FrameIndex
from part_synth.datasets.frame_tables import CameraTable, SequenceTable
from part_synth.datasets.h36m_layout import Human36mFrames
from part_synth.datasets.keypoint_clips import KeypointClipDataset
from part_synth.datasets.mixture import MixtureBatchSampler, MixtureDataset
from part_synth.datasets.mpi_inf_3dhp import MpiInf3dhpFrames
from part_synth.datasets.multi_view import MultiViewDataset
from part_synth.datasets.multi_view_batches import MultiViewBatchSampler
from part_synth.datasets.sampler import EpochSeededSampler
from part_synth.datasets.transforms import (
    CropPerson,
    LoadBackground,
    LoadFrames,
    LoadPartLabels,
    PackFrames,
    person_crop_pipeline,
)
from part_synth.datasets.unpaired_poses import UnpairedPoseDataset, load_unpaired_poses
from part_synth.datasets.video_pairs import VideoPairDataset
from part_synth.datasets.wild import WildFrames, prepare_videos

__all__ = [
    "LAYOUTS",
    "CameraTable",
    "CropPerson",
    "EpochSeededSampler",
    "FrameDataset",
    "FrameIndex",
    "Human36mFrames",
    "KeypointClipDataset",
    "LoadBackground",
    "LoadFrames",
    "LoadPartLabels",
    "MedianBackgrounds",
    "MixtureBatchSampler",
    "MixtureDataset",
    "MpiInf3dhpFrames",
    "MultiViewBatchSampler",
    "MultiViewDataset",
    "PackFrames",
    "PoseFrameDataset",
    "SequenceTable",
    "UnpairedPoseDataset",
    "VideoPairDataset",
    "WildFrames",
    "collate",
    "load_unpaired_poses",
    "person_crop_pipeline",
    "prepare_videos",
    "take_batch",
    "temporal_median",
]
