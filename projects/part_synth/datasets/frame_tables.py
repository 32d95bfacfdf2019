"""Tables behind a frame index: sequences, cameras, groups of frames.

Symbols: N frames, S sequences (one clip of one person seen by one camera), C cameras, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class SequenceTable:
    """What the frames of one clip, seen by one camera, have in common. All arrays are (S,).

    Attributes:
        subject: Name of the person, such as ``'S1'``.
        action: Name of the activity, ``''`` where the data set names none.
        clip: Name of the clip; unique together with the subject.
        camera: Name of the camera; unique together with the subject.
        fps: Frames per second that the frame NUMBERS count.
        moving: Whether the camera moves during the clip.
        background: Frames of one person with the same name here share camera, place and light, so
            that one picture is the background of all of them.
    """

    subject: np.ndarray
    action: np.ndarray
    clip: np.ndarray
    camera: np.ndarray
    fps: np.ndarray
    moving: np.ndarray
    background: np.ndarray

    def __len__(self) -> int:
        return len(self.subject)


@dataclass(frozen=True)
class CameraTable:
    """Calibrated cameras; a moving camera has one row per frame. NaN where unknown.

    Attributes:
        focal: (C, 2), px.
        centre: (C, 2) principal point, px, the centre of the first pixel being (0, 0).
        rotation: (C, 3, 3), world (z up) to camera: ``X_cam = rotation (X_world - position)``.
        position: (C, 3) camera centre, metres, world frame.
        distortion: (C, 5) k1, k2, p1, p2, k3 as OpenCV orders them; 0 for a pinhole.
        size: (C, 2) width and height of the image, px.
    """

    focal: np.ndarray
    centre: np.ndarray
    rotation: np.ndarray
    position: np.ndarray
    distortion: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.focal)

    @classmethod
    def unknown(cls, count: int) -> CameraTable:
        """A table of ``count`` cameras of which nothing is known."""
        nan = np.nan
        return cls(
            focal=np.full((count, 2), nan),
            centre=np.full((count, 2), nan),
            rotation=np.full((count, 3, 3), nan),
            position=np.full((count, 3), nan),
            distortion=np.zeros((count, 5)),
            size=np.full((count, 2), nan),
        )

    @classmethod
    def stack(cls, rows: Sequence[CameraTable]) -> CameraTable:
        """Join tables row by row."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(row, name) for row in rows]) for name in names})


@dataclass(frozen=True)
class FrameGroups:
    """A partition of frames into groups, stored flat so that a million groups cost no objects.

    Attributes:
        order: (N,) int64, frame numbers of the index, group after group.
        offsets: (G + 1,) int64, where each group starts in ``order``.
    """

    order: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, group: int) -> np.ndarray:
        if not 0 <= group < len(self):
            raise IndexError(f"group {group} of {len(self)}")
        return self.order[self.offsets[group] : self.offsets[group + 1]]

    def select(self, groups: np.ndarray) -> FrameGroups:
        """Some of the groups, as ``group_of`` no longer has them: frames of the others are in none.

        Args:
            groups: (n,) numbers of groups.
        """
        members = [self[int(group)] for group in groups]
        order = np.concatenate(members) if members else self.order[:0]
        return FrameGroups(order, np.concatenate([[0], np.cumsum(self.sizes[groups])]))

    @property
    def sizes(self) -> np.ndarray:
        """(G,) number of frames of each group."""
        return np.diff(self.offsets)

    @property
    def group_of(self) -> np.ndarray:
        """(N,) group of every frame, in the order of the index."""
        groups = np.empty(len(self.order), dtype=np.int64)
        groups[self.order] = np.repeat(np.arange(len(self)), self.sizes)
        return groups
