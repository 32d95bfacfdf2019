"""Whether the camera of a video stands still.

Corners of the first picture are looked for in later ones, outside of the people. Where the camera
stands still they are where they were.

Symbols: C corners, P people. Pictures are grey and small; px are theirs.
"""

from __future__ import annotations

import cv2
import numpy as np

# px, longer side of the pictures that are compared.
_SIDE = 320
# Seconds between the pictures that are compared.
_INTERVAL = 0.5
_MAX_CORNERS = 200
# With fewer the scene is too plain to tell.
_MIN_CORNERS = 12
# px; the flow of a picture on itself after compression is found to within a tenth of it.
_STILL = 1.0
# Share of the corners that must be found again; a cut, or a pan, loses them.
_FOUND = 0.5
# Share of the pictures that may differ: somebody knocks at the camera, or walks close by it.
_MAY_DIFFER = 0.05
# A person's box is taken larger by this share of its sides.
_ROOM = 0.15


class CameraMotion:
    """Looks at the frames of one video, one after the other."""

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._corners = np.zeros((0, 1, 2), dtype=np.float32)
        self._next = 0.0
        self.compared = 0
        self.moved = 0

    def add(self, image: np.ndarray, time: float, boxes: np.ndarray | None) -> None:
        """Look at a frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            time: Seconds.
            boxes: (P, 4) left, top, right, bottom of the people, px of the image; None where
                people may be anywhere.
        """
        if time + 1e-6 < self._next:
            return
        self._next = time + _INTERVAL
        scale = min(1.0, _SIDE / max(image.shape[:2]))
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        # Clouds and lamps change how bright a scene is.
        grey = cv2.equalizeHist(grey)
        free = _outside(grey.shape, None if boxes is None else boxes * scale)
        if self._first is None:
            self._first = grey
            corners = cv2.goodFeaturesToTrack(grey, _MAX_CORNERS, 0.01, 7, mask=free)
            self._corners = self._corners if corners is None else corners
        elif self.knows:
            self._compare(grey, free)

    def _compare(self, grey: np.ndarray, free: np.ndarray) -> None:
        row = self._corners[:, 0].round().astype(int)
        corners = self._corners[free[row[:, 1], row[:, 0]] > 0]
        if len(corners) < _MIN_CORNERS:
            return
        found, status, _ = cv2.calcOpticalFlowPyrLK(self._first, grey, corners, None)
        good = status[:, 0] > 0
        shift = np.linalg.norm((found - corners)[good, 0], axis=-1)
        self.compared += 1
        # The median: shadows and leaves move before cameras that do not.
        self.moved += bool(good.mean() < _FOUND or np.median(shift) > _STILL)

    @property
    def knows(self) -> bool:
        """Whether the scene has enough corners to tell."""
        return len(self._corners) >= _MIN_CORNERS

    @property
    def moving(self) -> bool:
        """Whether the camera moves; False where it can't be told."""
        return self.moved > _MAY_DIFFER * self.compared


def _outside(shape: tuple[int, int], boxes: np.ndarray | None) -> np.ndarray:
    """(H, W) uint8, 255 outside of the people."""
    free = np.full(shape, 255, dtype=np.uint8)
    for left, top, right, bottom in [] if boxes is None else boxes:
        dx, dy = _ROOM * (right - left), _ROOM * (bottom - top)
        columns = slice(max(int(left - dx), 0), max(int(right + dx) + 1, 0))
        free[max(int(top - dy), 0) : max(int(bottom + dy) + 1, 0), columns] = 0
    return free
