"""The people of one frame.

Symbols: P people of a frame, L joints of a 2D layout, K = 17 Human3.6M joints. Boxes are left, top,
right, bottom in px. Images are (H, W, 3) uint8 BGR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

WHOLE_FRAME = ("whole-frame", "whole_frame", "whole_image", "whole-image")
"""What is said in place of a detector where every frame is one person's box."""
_NUM_JOINTS = 17


@dataclass
class FramePeople:
    """People of one frame.

    Attributes:
        boxes: (P, 4) float32 px.
        box_scores: (P,) float32.
        keypoints: (P, L, 2) float32 px, NaN where a joint is not known; L = K for 3D models.
        scores: (P, L) float32.
        joints: (P, K, 3) float32 metres, camera frame, root at the origin, of 3D models; else None.
        person_ids: (P,) int64 where boxes come with numbers; else None.
    """

    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    box_scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    keypoints: np.ndarray = field(default_factory=lambda: np.zeros((0, _NUM_JOINTS, 2), np.float32))
    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, _NUM_JOINTS), np.float32))
    joints: np.ndarray | None = None
    person_ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def of_boxes(cls, boxes: np.ndarray, person_ids: np.ndarray | None = None) -> FramePeople:
        """People of whom no joint is known.

        Args:
            boxes: (P, 5) boxes and scores.
            person_ids: (P,) int64, or None.

        Returns:
            FramePeople: With 17 joints of NaN and score 0.
        """
        return cls(
            boxes[:, :4],
            boxes[:, 4],
            np.full((len(boxes), _NUM_JOINTS, 2), np.nan, np.float32),
            np.zeros((len(boxes), _NUM_JOINTS), np.float32),
            person_ids=person_ids,
        )


class WholeFrame:
    """Every frame is the box of one person.

    Attributes:
        note: What is taken for granted by this, a sentence.
    """

    note = (
        "The whole frame is taken as the box of one person, with a score of 1: nobody was looked "
        "for, and 2D joints are found whether or not somebody fills the frame."
    )

    def find(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(1, 5) box and score of each image."""
        return [np.array([[0, 0, i.shape[1], i.shape[0], 1]], np.float32) for i in images]


def boxes_around(keypoints: np.ndarray, seen: np.ndarray, room: float = 0.05) -> np.ndarray:
    """Boxes around the joints that are seen.

    Args:
        keypoints: (N, L, 2) px.
        seen: (N, L) bool.
        room: What the boxes are larger by on each side, as a share of their longer side.

    Returns:
        (N, 4) float32 px; 0 where nothing is seen.
    """
    if keypoints.shape[1] == 0:
        return np.zeros((len(keypoints), 4), np.float32)
    low = np.where(seen[..., None], keypoints, np.inf).min(1)
    high = np.where(seen[..., None], keypoints, -np.inf).max(1)
    margin = room * (high - low).max(-1, keepdims=True)
    boxes = np.concatenate([low - margin, high + margin], axis=1)
    return np.where(seen.any(1)[:, None], boxes, 0.0).astype(np.float32)
