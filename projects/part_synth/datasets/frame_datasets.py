"""Data sets of annotated frames. A sample is a pure function of (seed, epoch, index)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from part_synth.datasets.frame_index import FrameIndex
from part_synth.datasets.frame_source import read_frames
from part_synth.datasets.metainfo import h36m_metainfo
from part_synth.datasets.transforms import person_crop_pipeline
from part_synth.registry import DATASETS, TRANSFORMS


class FrameDataset(BaseDataset):
    """Samples of F frames of an annotated data set.

    Subclasses say which frames make a sample. ``dataset[j]`` takes virtual indices: with
    ``epoch, i = divmod(j, len(dataset))`` all random choices of the sample come from a generator
    seeded with (seed, epoch, i), so a sample depends neither on the worker that makes it nor on
    what was read before. :class:`~part_synth.datasets.sampler.EpochSeededSampler` yields such
    indices; with any other sampler every epoch sees the same crops.

    Args:
        data_root (str): Folder of the data set.
        layout (str): How the data set lies on disk: a name registered in ``LAYOUTS``, such as
            'h36m' or 'mpi_inf_3dhp'.
        ann_file (str | None): Annotation file relative to the root; None = the split's usual one.
        split (str | None): 'train', 'val' or 'test'.
        subjects (Sequence[str] | None): People to keep; None = all of the split.
        actions (Sequence[str] | None): Activities to keep.
        cameras (Sequence[str] | None): Cameras to keep.
        layout_options (dict | None): Further arguments of the layout's ``from_disk``, such as
            ``fps``, ``image_dir``, ``camera_file``.
        synthetic (dict | None): Recipe of the embedded synthetic set, made at ``data_root`` before
            anything is read if it is not there yet.
        pipeline (Sequence | None): Transforms. None = the usual crop of the person, see ``crop``.
        crop (dict | None): Arguments of :func:`~part_synth.datasets.transforms.
            person_crop_pipeline`: size, padding, shift, scale, flip, background, cache, ...
        camera_offsets (Mapping[str, float] | None): Seconds by camera that its frame numbers are
            late (negative: early), for cameras that were not started together; see
            ``part_synth.ViewSyncMetric``.
        frame_step (int): Keep every n-th frame (by its place in its video) as start of a sample.
        seed (int): Seed of the random choices.
        metainfo (dict | None): Replaces entries of the meta information.
        indices (int | Sequence[int] | None): Keep the first so many samples, or these.
        test_mode (bool): Kept for mmengine's wrappers; samples are the same.
        lazy_init (bool): Read nothing until :meth:`full_init`.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If files hold something else, an argument is wrong, or no sample is left.
    """

    METAINFO: ClassVar[dict] = {}

    def __init__(
        self,
        data_root: str | Path,
        layout: str = "h36m",
        ann_file: str | None = None,
        split: str | None = None,
        subjects: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        cameras: Sequence[str] | None = None,
        layout_options: dict | None = None,
        synthetic: dict | None = None,
        pipeline: Sequence[dict | Callable] | None = None,
        crop: dict | None = None,
        camera_offsets: Mapping[str, float] | None = None,
        frame_step: int = 1,
        seed: int = 0,
        metainfo: dict | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if pipeline is not None and crop is not None:
            raise ValueError("Give either `pipeline` or `crop`: `crop` configures the default one.")
        if frame_step < 1 or seed < 0:
            raise ValueError(
                f"`frame_step` must be at least 1 and `seed` at least 0, got {frame_step}, {seed}."
            )
        if pipeline is None:
            pipeline = person_crop_pipeline(**(crop or {}))
        self.layout = layout
        self.layout_options = {
            "ann_file": ann_file,
            "split": split,
            "subjects": subjects,
            "actions": actions,
            "cameras": cameras,
            **(layout_options or {}),
        }
        self.synthetic = synthetic
        self.camera_offsets = camera_offsets
        self.frame_step = frame_step
        self.seed = seed
        self._index: FrameIndex | None = None
        super().__init__(
            data_root=str(data_root),
            metainfo={**h36m_metainfo(layout), **(metainfo or {})},
            data_prefix={},
            indices=indices,
            serialize_data=False,
            pipeline=build_transforms(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Take the given dictionary as it is; mmengine's own would look for files of its names."""
        return {**cls.METAINFO, **(metainfo or {})}

    @property
    def index(self) -> FrameIndex:
        """The frames of the data set; read on first use."""
        if self._index is None:
            self._index = self._read_index()
        return self._index

    def _read_index(self) -> FrameIndex:
        index = read_frames(self.data_root, self.layout, self.synthetic, **self.layout_options)
        index.check_boxes()
        # A visibility that is no number is none: it is a weight of losses.
        for name in ("joints_visible", "keypoints_visible"):
            setattr(index, name, np.nan_to_num(getattr(index, name), nan=0.0))
        if self.camera_offsets:
            shift_cameras(index, self.camera_offsets)
        print_log(
            f"{type(self).__name__}: {len(index)} frames of "
            f"{len(np.unique(index.column('subject')))} people in "
            f"{len(np.unique(index.sequence_id))} clips (camera views) from {self.data_root}",
            logger="current",
            level=logging.INFO,
        )
        return index

    def load_data_list(self) -> np.ndarray:
        """Starting points of the samples.

        Returns:
            np.ndarray: (len(self),) int64, what :meth:`choose_frames` gets.

        Raises:
            ValueError: If there is none.
        """
        starts = self.sample_starts()
        if len(starts) == 0:
            raise ValueError(f"{type(self).__name__} of {self.data_root} has no sample.")
        return starts

    def sample_starts(self) -> np.ndarray:
        """Numbers that stand for the samples; by default every ``frame_step``-th frame.

        Returns:
            np.ndarray: (len,) int64.
        """
        return self.every_step()

    def every_step(self) -> np.ndarray:
        """(n,) int64, every ``frame_step``-th frame of every video, in video order."""
        videos = self.index.group_by("subject", "clip", "camera")
        place = np.arange(len(self.index)) - np.repeat(videos.offsets[:-1], videos.sizes)
        return videos.order[place % self.frame_step == 0]

    def choose_frames(self, start: int, rng: np.random.Generator) -> np.ndarray:
        """Frames of one sample; by default the start alone.

        Args:
            start (int): One of :meth:`sample_starts`.
            rng (np.random.Generator): Source of all random choices.

        Returns:
            np.ndarray: (F,) frames of the index.
        """
        return np.array([start])

    def get_data_info(self, idx: int) -> dict:
        """What is known about one sample before any image is read.

        Args:
            idx (int): Virtual index, ``epoch * len(self) + i``; negative ones count from the end.

        Returns:
            dict: ``img_path``, ``part_path``, ``box`` (F, 3), ``joints`` (F, 17, 3), ``keypoints``
            (F, 17, 2), their visibility, ``camera``, names, ``rng``, ``frame_index``, ...
        """
        if not self._fully_initialized:
            self.full_init()
        epoch, i = divmod(idx, len(self)) if idx >= 0 else (0, idx + len(self))
        if i < 0:
            raise IndexError(f"sample {idx} of {len(self)}")
        rng = np.random.default_rng([self.seed, epoch, i])
        frame_ids = self.choose_frames(int(self.data_list[i]), rng)
        info = describe_frames(self.index, frame_ids)
        info.update(rng=rng, sample_idx=i)
        return info

    def __getitem__(self, idx: int) -> Any:
        """One sample.

        A broken image is an error: taking another sample in its place, as mmengine's base class
        does, would quietly train and test on something else.

        Args:
            idx (int): Virtual index, ``epoch * len(self) + i``.

        Returns:
            Any: What the last transform returns.

        Raises:
            ValueError: If a transform returns None.
        """
        data = self.pipeline(self.get_data_info(idx))
        if data is None:
            raise ValueError(
                f"The pipeline of {type(self).__name__} returned no sample for index {idx}. "
                "Transforms of a frame data set must return a sample or raise."
            )
        return data


def shift_cameras(index: FrameIndex, offsets: Mapping[str, float]) -> None:
    """Renumber the frames of cameras that were not started with the others.

    Args:
        index (FrameIndex): Changed in place.
        offsets (Mapping[str, float]): Seconds by camera that its frame numbers are late.

    Raises:
        ValueError: If a camera is not there, or an offset is no number.
    """
    known = np.unique(index.sequences.camera).tolist()
    for camera, seconds in offsets.items() if isinstance(offsets, Mapping) else [(offsets, None)]:
        if camera not in known or not isinstance(seconds, int | float) or not np.isfinite(seconds):
            raise ValueError(
                "`camera_offsets` must give seconds for cameras among "
                f"{', '.join(known)}, got {offsets!r}."
            )
        late = np.round(seconds * index.column("fps")).astype(index.frame.dtype)
        index.frame = index.frame - late * (index.column("camera") == camera)


def build_transforms(pipeline: Sequence[dict | Callable]) -> list[Callable]:
    """Build transforms. Our own registry finds prefixed names under any default scope."""
    return [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]


def describe_frames(index: FrameIndex, frame_ids: np.ndarray) -> dict:
    """Copy the annotations of F frames out of an index.

    Args:
        index (FrameIndex): The frames of a data set.
        frame_ids (np.ndarray): (F,) frames.

    Returns:
        dict: See :meth:`FrameDataset.get_data_info`. All arrays are copies, float32.
    """
    ids = [int(i) for i in frame_ids]
    rows = index.sequence_id[frame_ids]
    cameras = index.camera_id[frame_ids]
    table = index.sequences
    part_path = None if index.part_dir is None else [str(index.part_path(i)) for i in ids]
    return {
        "frame_index": index,
        "frame_ids": frame_ids,
        "img_path": [str(index.image_path(i)) for i in ids],
        "part_path": part_path,
        "subject": table.subject[rows].tolist(),
        "action": table.action[rows].tolist(),
        "clip": table.clip[rows].tolist(),
        "camera_name": table.camera[rows].tolist(),
        "frame": index.frame[frame_ids],
        "time": index.frame[frame_ids] / table.fps[rows],
        "box": np.column_stack([index.center[frame_ids], 200.0 * index.scale[frame_ids]]).astype(
            np.float32
        ),
        "joints": index.joints[frame_ids],
        "joints_visible": index.joints_visible[frame_ids],
        "keypoints": index.keypoints[frame_ids],
        "keypoints_visible": index.keypoints_visible[frame_ids],
        "camera": {
            name: getattr(index.cameras, name)[cameras].astype(np.float32)
            for name in ("focal", "centre", "rotation", "position")
        },
    }


def unknown_camera(camera: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A camera of :func:`describe_frames` without its calibration: NaN."""
    return {name: np.full_like(values, np.nan) for name, values in camera.items()}


@DATASETS.register_module()
class PoseFrameDataset(FrameDataset):
    """Single frames, for validation, testing and supervised training.

    See :class:`FrameDataset` for the arguments, and
    :class:`~part_synth.datasets.transforms.PackFrames` for what a sample holds (F = 1).
    """
