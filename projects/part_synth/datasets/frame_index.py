"""An index over the annotated frames of a data set, whatever its layout on disk.

A layout is a registered subclass of :class:`FrameIndex` that knows how files and joints are named.
Data sets, transforms, backgrounds and validation only see the arrays described here.

Symbols: N frames, S sequences (one clip of one person seen by one camera), C cameras, K = 17
joints in Human3.6M order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmengine.registry import Registry

from part_synth.datasets.frame_tables import CameraTable, FrameGroups, SequenceTable

# Layouts are chosen by name: ``FrameIndex.layout`` is the key. They are no mmengine data sets, so
# they have a registry of their own instead of living among the DATASETS.
LAYOUTS = Registry("frame layout", scope="part_synth", locations=["part_synth.datasets"])

NUM_JOINTS = 17

# Fields of a FrameIndex that have one row per frame.
_FRAME_ARRAYS = (
    "image_names",
    "sequence_id",
    "camera_id",
    "frame",
    "joints",
    "joints_visible",
    "keypoints",
    "keypoints_visible",
    "center",
    "scale",
)


@dataclass
class FrameIndex:
    """Annotated frames of one data set as arrays.

    Attributes:
        root: Folder of the data set.
        image_names: (N,) bytes, UTF-8, relative to ``image_dir``.
        sequence_id: (N,) int32, row of ``sequences``.
        camera_id: (N,) int32, row of ``cameras``.
        frame: (N,) int32, number of the frame in its clip.
        joints: (N, K, 3) float32, camera frame, metres.
        joints_visible: (N, K) float32, 1 = annotated.
        keypoints: (N, K, 2) float32, px of the image.
        keypoints_visible: (N, K) float32, 1 = inside the image.
        center: (N, 2) float32, centre of the person's box, px.
        scale: (N,) float32, side of the person's square box divided by 200 px.
        image_dir: Folder of the images.
        part_dir: Folder of the part label images, or None where the data set has none.
    """

    layout: ClassVar[str] = ""
    # Where annotation files lie below the root, as patterns of ``Path.glob``.
    annotation_patterns: ClassVar[tuple[str, ...]] = ()
    # False: joints may be NaN, and people of one frame share its image.
    labelled: ClassVar[bool] = True

    root: Path
    image_names: np.ndarray
    sequence_id: np.ndarray
    camera_id: np.ndarray
    frame: np.ndarray
    joints: np.ndarray
    joints_visible: np.ndarray
    keypoints: np.ndarray
    keypoints_visible: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    sequences: SequenceTable
    cameras: CameraTable
    image_dir: Path
    part_dir: Path | None = None

    @classmethod
    def from_disk(cls, root: str | Path, **options) -> FrameIndex:
        """Read the annotations of a data set; every layout implements this.

        Args:
            root (str | Path): Folder of the data set.
            **options: See the layout's own ``from_disk``.

        Returns:
            FrameIndex: The frames that pass the filters.
        """
        raise NotImplementedError(f"{cls.__name__} must implement from_disk")

    @classmethod
    def annotation_files(cls, root: str | Path) -> list[str]:
        """Annotation files of this layout below a folder.

        Args:
            root (str | Path): Folder of a data set.

        Returns:
            list[str]: Paths relative to the root, sorted; empty if the layout is another one.
        """
        found = {path for pattern in cls.annotation_patterns for path in Path(root).glob(pattern)}
        return sorted(str(path.relative_to(root)) for path in found)

    def __len__(self) -> int:
        return len(self.image_names)

    def image_path(self, frame_id: int) -> Path:
        """Path of the image of one frame."""
        return self.image_dir / self.image_names[frame_id].decode()

    def part_path(self, frame_id: int) -> Path | None:
        """Path of the part label PNG of one frame, None where the data set has no labels."""
        if self.part_dir is None:
            return None
        return (self.part_dir / self.image_names[frame_id].decode()).with_suffix(".png")

    def background_path(self, name: str) -> Path | None:
        """Picture of the empty scene that the data set brings, None where it brings none.

        Args:
            name (str): A value of the ``background`` column of the sequence table.
        """
        return None

    def column(self, name: str) -> np.ndarray:
        """(N,) one column of the sequence table, spread over the frames."""
        return getattr(self.sequences, name)[self.sequence_id]

    @property
    def time(self) -> np.ndarray:
        """(N,) float64, seconds since the frame number 0 of the clip."""
        return self.frame / self.column("fps")

    @property
    def box(self) -> np.ndarray:
        """(N, 3) float32, centre x, centre y and side of the person's square box, px."""
        return np.concatenate([self.center, 200.0 * self.scale[:, None]], axis=1)

    def select(self, keep: np.ndarray) -> FrameIndex:
        """A part of the frames, tables shared.

        Args:
            keep (np.ndarray): (N,) bool mask, or frame numbers.

        Returns:
            FrameIndex: An index of the same layout.
        """
        frame_arrays = {name: getattr(self, name)[keep] for name in _FRAME_ARRAYS}
        shared = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in _FRAME_ARRAYS
        }
        return type(self)(**frame_arrays, **shared)

    def group_by(self, *columns: str) -> FrameGroups:
        """Partition the frames, each group sorted by clip, camera and frame number.

        Args:
            *columns (str): Columns of the sequence table, or ``'frame'``. For example
                ``('subject', 'clip', 'camera')`` is one video, ``('subject', 'clip', 'frame')`` one
                instant seen by all its cameras.

        Returns:
            FrameGroups: Groups in the lexicographic order of their keys.
        """
        keys = [self._codes(name) for name in columns]
        inner = [self.frame, self._codes("camera"), self._codes("clip")]
        order = np.lexsort([*inner, *reversed(keys)])
        changes = np.zeros(max(len(self) - 1, 0), dtype=bool)
        for key in keys:
            changes |= key[order][1:] != key[order][:-1]
        inside = np.flatnonzero(changes) + 1
        ends = [len(self)] if len(self) else []
        offsets = np.concatenate([[0], inside, ends]).astype(np.int64)
        return FrameGroups(order.astype(np.int64), offsets)

    def _codes(self, name: str) -> np.ndarray:
        """(N,) integers that sort and compare like the values of a column."""
        if name == "frame":
            return self.frame
        _, codes = np.unique(getattr(self.sequences, name), return_inverse=True)
        return codes.reshape(-1)[self.sequence_id]

    def filter(self, **wanted: Iterable[str] | None) -> FrameIndex:
        """Keep the frames whose columns have one of the wanted values.

        Args:
            **wanted: Column of the sequence table -> values to keep; None keeps everything.

        Returns:
            FrameIndex: The frames left.

        Raises:
            ValueError: If a value is not in the data set, or no frame is left.
        """
        keep = np.ones(len(self.sequences), dtype=bool)
        for name, values in wanted.items():
            if values is None:
                continue
            values = [values] if isinstance(values, str) else [str(value) for value in values]
            present = getattr(self.sequences, name)
            missing = sorted(set(values) - set(present.tolist()))
            if missing:
                raise ValueError(
                    f"{self.root}: no {name} named {', '.join(missing)}; the annotation file has "
                    f"{', '.join(sorted(set(present.tolist())))}. Change `{name}s` of the data set."
                )
            keep &= np.isin(present, values)
        kept = self.select(keep[self.sequence_id])
        if len(kept) == 0:
            raise ValueError(
                f"{self.root}: no frame is left after filtering by "
                f"{ {name: values for name, values in wanted.items() if values is not None} }. "
                "Loosen the filters of the data set, or choose another annotation file."
            )
        return kept

    def check_images(self) -> None:
        """Look for the first image of every sequence.

        All of them are looked for by ``tools/dataset_converters/validate.py``; here the point is to
        fail at once, not after an hour, when the images are somewhere else.

        Raises:
            FileNotFoundError: If one is missing.
        """
        _, first = np.unique(self.sequence_id, return_index=True)
        missing = [path for path in map(self.image_path, first) if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{len(missing)} of {len(first)} clips of {self.root} lack their first image, for "
                f"example {missing[0]}. Put the images below {self.image_dir} as the annotation "
                "file names them, or point `image_dir` at them."
            )

    def check_boxes(self) -> None:
        """Look for boxes by which no person can be cut out.

        ``from_disk`` does not: ``tools/dataset_converters/validate.py`` reads them too, to list
        them.

        Raises:
            ValueError: If a box is not finite, or has no size.
        """
        good = np.isfinite(self.center).all(1) & np.isfinite(self.scale) & (self.scale > 0)
        if good.all():
            return
        first = int(np.argmin(good))
        raise ValueError(
            f"{self.root}: {(~good).sum()} of {len(self)} frames have no box of the person: "
            "`center` and `scale` must be finite and `scale` above 0. The first is "
            f"{self.image_names[first].decode()} with center {self.center[first].tolist()} and "
            f"scale {self.scale[first]:g}. `python tools/dataset_converters/validate.py "
            f"{self.root}` lists them; mend the annotation file, or leave these frames out of it."
        )
