"""3D poses of the people in a video or in pictures, and what a reader must know of them.

Symbols: N poses (a person in a frame), K = 17 Human3.6M joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from part_synth.geometry import H36M17

AXES = "x right, y down, z forward"


@dataclass
class PoseSequence:
    """3D poses, in the order of their frames.

    Attributes:
        joints: (N, K, 3) float32 mm, camera frame (x right, y down, z forward), root at the origin;
            NaN where a pose could not be lifted.
        ok: (N,) bool, whether there is a 3D pose.
        keypoints: (N, K, 2) float32 px, the 2D joints; NaN where one is missing.
        scores: (N, K) float32 scores of the 2D joints; 0 where a joint was filled in.
        boxes: (N, 4) float32 px: left, top, right, bottom.
        box_scores: (N,) float32.
        person_ids: (N,) int64, the same number is the same person.
        frames: (N,) int64 number of the frame, from 0.
        num_frames: Frames of the input, also those with nobody.
        fps: Frames per second; None for pictures.
        image_size: (width, height) px; None where it is not known or differs between pictures.
        filled: (N, K) bool, joints that were missing and filled in.
        root: (N, 3) float32 mm, position of the root in the camera frame; None where no camera is
            known.
        names: Name of each frame (file of a picture); empty for videos.
        source: What was read: the absolute path, or a name where there is no file.
        smoothing: What was done to the joints over time, a sentence; None for nothing.
        assumptions: What was taken for granted, in sentences.
        interrupted: Whether the work was broken off, and later frames are missing.
    """

    joints: np.ndarray
    ok: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    box_scores: np.ndarray
    person_ids: np.ndarray
    frames: np.ndarray
    num_frames: int
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    filled: np.ndarray | None = None
    root: np.ndarray | None = None
    names: tuple[str, ...] = ()
    source: str = ""
    smoothing: str | None = None
    assumptions: list[str] = field(default_factory=list)
    interrupted: bool = False

    def __post_init__(self):
        count = len(self.joints)
        if self.filled is None:
            self.filled = np.zeros((count, H36M17.num_joints), dtype=bool)
        lengths = {
            name: len(getattr(self, name))
            for name in ("ok", "keypoints", "scores", "boxes", "person_ids", "frames", "filled")
        }
        wrong = {name: length for name, length in lengths.items() if length != count}
        if wrong or self.joints.shape[1:] != (H36M17.num_joints, 3):
            raise ValueError(
                f"A sequence of joints (N, 17, 3), here {self.joints.shape}, needs a row of every "
                f"other array for each, got {lengths}."
            )
        if (np.diff(self.frames) < 0).any():
            raise ValueError("The poses of a sequence must be in the order of their frames.")

    def __len__(self) -> int:
        return len(self.joints)

    def header(self) -> dict:
        """What a reader must know of the numbers; plain types only."""
        return {
            "units": "mm",
            "frame": "camera, root-relative",
            "axes": AXES,
            "joint_names": list(H36M17.joint_names),
            "parents": list(H36M17.parents),
            "keypoints_2d_units": "px",
            "fps": None if self.fps is None else float(self.fps),
            "num_frames": int(self.num_frames),
            "image_size": None if self.image_size is None else [int(v) for v in self.image_size],
            "person_ids": sorted({int(i) for i in self.person_ids[self.ok]}),
            "not_lifted": int((~self.ok).sum()),
            "has_root_position": self.root is not None,
            "smoothing": self.smoothing,
            "source": self.source,
            "interrupted": bool(self.interrupted),
            "assumptions": list(self.assumptions),
        }

    def rows(self, frame: int) -> slice:
        """Rows of one frame."""
        first, last = np.searchsorted(self.frames, [frame, frame + 1])
        return slice(int(first), int(last))

    def instances(self, frame: int) -> list[dict]:
        """People of one frame as mmpose writes them, with more keys; only those with a 3D pose.

        Returns:
            list[dict]: ``keypoints`` 17 x 3 mm, ``keypoint_scores`` 17, ``track_id``,
            ``keypoints_2d`` 17 x 2 px, ``bbox`` 1 x 4 px, ``bbox_score``, ``filled`` names of the
            joints that were filled in, ``root_position`` 3 mm (with a camera only).
        """
        found = []
        part = self.rows(frame)
        for i in range(part.start, part.stop):
            if not self.ok[i]:
                continue
            person = {
                "keypoints": plain_numbers(self.joints[i], 2),
                "keypoint_scores": plain_numbers(self.scores[i], 4),
                "track_id": int(self.person_ids[i]),
                "keypoints_2d": plain_numbers(self.keypoints[i], 2),
                "bbox": [plain_numbers(self.boxes[i], 2)],
                "bbox_score": float(round(float(self.box_scores[i]), 4)),
                "filled": [H36M17.joint_names[k] for k in np.flatnonzero(self.filled[i])],
            }
            if self.root is not None:
                person["root_position"] = plain_numbers(self.root[i], 2)
            found.append(person)
        return found

    def people(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each person that has a 3D pose: the id, and the rows of these poses."""
        for person in np.unique(self.person_ids[self.ok]):
            yield int(person), np.flatnonzero(self.ok & (self.person_ids == person))

    def part(self, start: int, stop: int) -> PoseSequence:
        """The frames from ``start`` up to ``stop``, counted anew from 0."""
        first, last = np.searchsorted(self.frames, [start, stop])
        rows = slice(int(first), int(last))
        values = dict(self.__dict__)
        for name in (
            "joints",
            "ok",
            "keypoints",
            "scores",
            "boxes",
            "box_scores",
            "person_ids",
            "filled",
            "root",
        ):
            values[name] = None if values[name] is None else values[name][rows]
        values["frames"] = self.frames[rows] - start
        values["num_frames"] = stop - start
        values["names"] = self.names[start:stop]
        return PoseSequence(**values)


def plain_numbers(values: np.ndarray, digits: int) -> list:
    """Nested lists of numbers; None for what is not finite, which JSON can't hold."""
    rounded = np.asarray(values, dtype=np.float64).round(digits)
    if np.isfinite(rounded).all():
        return rounded.tolist()
    return np.where(np.isfinite(rounded), rounded, None).tolist()
