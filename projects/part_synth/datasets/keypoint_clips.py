"""2D poses of annotated videos, in memory, for lifting: whole batches in a few tensor operations.

Symbols: N frames, M samples, B batch, T frames of a sample, K = 17 joints.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from torch.utils.data import Dataset

from part_synth.datasets.frame_index import FrameIndex
from part_synth.datasets.frame_source import read_frames
from part_synth.datasets.frame_tables import FrameGroups
from part_synth.datasets.frame_windows import frame_windows
from part_synth.datasets.intrinsics import frame_intrinsics
from part_synth.datasets.metainfo import h36m_metainfo
from part_synth.geometry import aim_points, mirror, mirror_points, unit_scale
from part_synth.registry import DATASETS

# One constant each for the draws of a sample, so that they are independent of each other.
_FLIP_DRAW, _REAL_DRAW, _REAL_FLIP_DRAW = 1, 2, 3


@DATASETS.register_module()
class KeypointClipDataset(Dataset):
    """Clips of T 2D poses, as a camera that looks at the root sees them, at one size.

    Images are not read. A sample depends on (seed, epoch, index) alone, see
    :class:`~part_synth.datasets.EpochSeededSampler`; a batch is made at once by ``__getitems__``
    and needs ``collate_fn=dict(type='part_synth.take_batch')``.

    Inputs of a sample (of a batch with B in front): ``points`` (T, K, 2) poses in the image of the
    lifting frame (:mod:`part_synth.geometry.lifting`); ``rotation`` (3, 3) from the camera frame
    into the aimed frame of the sample's middle frame; with ``real`` another clip's ``real``
    (T, K, 2); with ``labels`` also ``joints`` (T, K, 3), root at the origin, aimed frame, metres.

    In ``test_mode`` each sample comes with a ``PoseDataSample``: ``gt_instances`` of the middle
    frame as :class:`~part_synth.datasets.transforms.PackFrames` writes them, and the frame's names.

    Args:
        data_root (str): Folder of the data set.
        layout (str): How it lies on disk, see :class:`~part_synth.datasets.FrameDataset`.
        ann_file (str | None): Annotation file relative to the root; None = the split's usual one.
        split (str | None): 'train', 'val' or 'test'.
        subjects (Sequence[str] | None): People to keep; None = all of the split.
        actions (Sequence[str] | None): Activities to keep.
        cameras (Sequence[str] | None): Cameras to keep.
        layout_options (dict | None): Further arguments of the layout's ``from_disk``, such as
            ``keypoint_file`` (detected 2D poses) and ``fps``.
        synthetic (dict | None): Recipe of the embedded synthetic set.
        num_frames (int): T.
        interval (float): Seconds between the frames of a sample; the nearest frames are taken, at
            the ends of a video its first or last again.
        frame_step (int): Keep every n-th frame as middle of a sample.
        flip (float): Share of samples mirrored.
        real (bool): Add independent clips for adversarial losses.
        labels (bool): Let true joints out. A training set without labels holds none in memory.
        seed (int): Seed of the random choices.
        test_mode (bool): Single samples with ground truth, nothing random.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If files hold something else, an argument is wrong, no frame is left, or no
            video is as long as the frames of a sample (a warning in ``test_mode``).
    """

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
        num_frames: int = 1,
        interval: float = 0.1,
        frame_step: int = 1,
        flip: float = 0.0,
        real: bool = False,
        labels: bool = False,
        seed: int = 0,
        test_mode: bool = False,
    ) -> None:
        if num_frames < 1 or frame_step < 1 or interval <= 0 or not 0 <= flip <= 1 or seed < 0:
            raise ValueError(
                "`num_frames` and `frame_step` must be at least 1, `interval` positive, `flip` in "
                f"[0, 1] and `seed` at least 0, got {num_frames}, {frame_step}, {interval}, "
                f"{flip}, {seed}."
            )
        self.num_frames = num_frames
        self.flip = 0.0 if test_mode else flip
        self.real = real and not test_mode
        self.labels = labels or test_mode
        self.seed = seed
        self.test_mode = test_mode
        index = read_frames(
            data_root,
            layout,
            synthetic,
            ann_file=ann_file,
            split=split,
            subjects=subjects,
            actions=actions,
            cameras=cameras,
            **{"check_images": False, **(layout_options or {})},
        )
        index = _usable(index, str(data_root))
        self._metainfo = h36m_metainfo(layout)
        pixels = torch.from_numpy(index.keypoints.astype(np.float32))
        focal, centre = frame_intrinsics(index, str(data_root))
        self._points, rotation = aim_points(pixels, focal, centre)
        videos = index.group_by("subject", "clip", "camera")
        _check_length(index, videos, num_frames, interval, str(data_root), test_mode)
        windows = frame_windows(videos.group_of, index.time, num_frames, interval)
        self._windows = torch.from_numpy(windows)[::frame_step]
        self._middle = self._windows[:, (num_frames - 1) // 2]
        self._rotation = rotation
        self._joints = None
        if self.labels:
            joints = torch.from_numpy(index.joints.astype(np.float32))
            self._joints = (joints - joints[:, :1]) @ rotation.mT
        self._index = index if test_mode else None
        print_log(
            f"KeypointClipDataset: {len(self._windows)} samples of {num_frames} frames from "
            f"{len(index)} 2D poses of {len(np.unique(index.column('subject')))} people in "
            f"{data_root}",
            logger="current",
        )

    @property
    def metainfo(self) -> dict:
        """Meta information of the joints."""
        return dict(self._metainfo)

    def full_init(self) -> None:
        """Nothing to do: all poses are in memory. mmengine calls it."""

    def __len__(self) -> int:
        return len(self._windows)

    def all_points(self) -> torch.Tensor:
        """(N, K, 2) every 2D pose once, as :meth:`__getitem__` scales single frames."""
        points = self._points
        return (points * unit_scale(points[:, None])[:, 0]).contiguous()

    def add_points(self, points: torch.Tensor) -> None:
        """Take further 2D poses of no video into training, such as adapted ones.

        Args:
            points: (M, K, 2) poses in the image of the lifting frame, any size.

        Raises:
            ValueError: Another shape, or the data set lets labels out, which these lack.
        """
        if self.labels or points.ndim != 3 or points.shape[1:] != self._points.shape[1:]:
            raise ValueError(
                f"add_points takes poses ({self._points.shape[1]} joints, 2 coordinates) for a set "
                f"without labels, got shape {tuple(points.shape)}, labels={self.labels}."
            )
        rows = torch.arange(len(points)) + len(self._points)
        self._points = torch.cat([self._points, points.to(self._points)])
        identity = torch.eye(3).expand(len(points), 3, 3)
        self._rotation = torch.cat([self._rotation, identity])
        self._windows = torch.cat([self._windows, rows[:, None].expand(-1, self.num_frames)])
        self._middle = torch.cat([self._middle, rows])

    def __getitem__(self, idx: int) -> dict:
        batch = self.__getitems__([idx])
        inputs = {name: value[0] for name, value in batch["inputs"].items()}
        sample = None
        if self.test_mode:
            sample = self._data_sample(idx % len(self))
        return {"inputs": inputs, "data_samples": sample}

    def __getitems__(self, indices: Sequence[int]) -> dict:
        """A whole batch; PyTorch's loader asks for it where it is there.

        Args:
            indices: B virtual indices, ``epoch * len(self) + i``.

        Returns:
            ``{'inputs': {name: (B, ...)}, 'data_samples': None}``, or B samples in ``test_mode``.
        """
        if self.test_mode and len(indices) > 1:
            return [self[i] for i in indices]
        virtual = np.asarray(indices, dtype=np.int64)
        rows = torch.from_numpy(virtual % len(self))
        mirrored = self._draw(virtual, _FLIP_DRAW) < self.flip
        inputs = {
            "points": self._clips(rows, mirrored),
            "rotation": self._rotation[self._middle[rows]],
        }
        if self.labels:
            joints = self._joints[self._windows[rows]]
            # The whole label is mirrored with its image: x changes its sign, sides are exchanged.
            joints[mirrored] = mirror(joints[mirrored])
            inputs["joints"] = joints
        if self.real:
            others = (self._draw(virtual, _REAL_DRAW) * len(self)).long().clamp_max(len(self) - 1)
            inputs["real"] = self._clips(others, self._draw(virtual, _REAL_FLIP_DRAW) < self.flip)
        return {"inputs": inputs, "data_samples": None}

    def _clips(self, rows: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
        """(B, T, K, 2) clips at one size, some of them mirrored."""
        points = self._points[self._windows[rows]]
        points = points * unit_scale(points)
        points[mirrored] = mirror_points(points[mirrored])
        return points

    def _draw(self, virtual: np.ndarray, salt: int) -> torch.Tensor:
        """(B,) float64 in [0, 1), a function of (seed, salt, virtual index): splitmix64."""
        offset = np.uint64((self.seed * 4 + salt) * 0xD1342543DE82EF95 % 2**64)
        with np.errstate(over="ignore"):
            z = virtual.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + offset
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        return torch.from_numpy((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    def _data_sample(self, row: int) -> PoseDataSample:
        index, frame = self._index, int(self._middle[row])
        sequence = int(index.sequence_id[frame])
        names = {
            name: str(getattr(index.sequences, name)[sequence])
            for name in ("subject", "action", "clip", "camera")
        }
        meta = {
            **names,
            "img_path": str(index.image_path(frame)),
            "frame": int(index.frame[frame]),
            "sample_idx": row,
        }
        rotation = index.cameras.rotation[index.camera_id[frame]]
        if np.isfinite(rotation).all():
            meta["camera_rotation"] = rotation
        sample = PoseDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(
            lifting_target=index.joints[frame][None],
            lifting_target_visible=index.joints_visible[frame][None],
            keypoints=index.keypoints[frame][None],
            keypoints_visible=index.keypoints_visible[frame][None],
        )
        return sample


def _usable(index: FrameIndex, source: str) -> FrameIndex:
    """Frames whose 2D poses are finite and more than a point."""
    points = index.keypoints
    finite = np.isfinite(points).all((1, 2))
    extent = np.where(finite, np.ptp(np.nan_to_num(points), axis=1).max(-1), 0.0)
    keep = finite & (extent > 1e-6)
    if not keep.any():
        raise ValueError(
            f"{source}: none of the {len(index)} 2D poses is finite and larger than a point. Check "
            "the 2D joints of the annotation file, or `keypoint_file`."
        )
    if not keep.all():
        print_log(
            f"{source}: {int((~keep).sum())} of {len(index)} frames have 2D poses that are not "
            "finite or a single point; they are left out.",
            logger="current",
            level=logging.WARNING,
        )
    return index if keep.all() else index.select(keep)


def _check_length(
    index: FrameIndex,
    videos: FrameGroups,
    num_frames: int,
    interval: float,
    source: str,
    test_mode: bool,
) -> None:
    """Refuse samples that are longer than every video: they would be repeated frames."""
    if num_frames == 1:
        return
    time = index.time[videos.order]
    first, last = videos.offsets[:-1], videos.offsets[1:] - 1
    longest, wanted = float((time[last] - time[first]).max()), (num_frames - 1) * interval
    # Videos that are a little too short serve, as the ends of longer ones do.
    if wanted <= longest + 0.5 * interval:
        return
    fitting = int(longest / interval + 0.5) + 1
    text = (
        f"{source}: num_frames={num_frames} frames, {interval:g} s apart, take {wanted:g} s, but "
        f"the longest video lasts {longest:g} s: every sample would repeat its first and last "
        f"frames. Set num_frames to at most {fitting}, or a smaller interval."
    )
    if not test_mode:
        raise ValueError(text)
    # A model that has learned from longer videos can still be asked.
    print_log(text, logger="current", level=logging.WARNING)
