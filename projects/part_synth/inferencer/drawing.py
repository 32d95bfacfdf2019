"""A frame with its people beside their 3D skeletons, fast enough for video.

Every person has a cell of its own for the whole video, with a frame in the person's colour; sides
keep their colours (left orange, right blue).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from part_synth.outputs import PoseSequence
from part_synth.visualization import draw_skeleton_2d, draw_skeleton_3d

# RGB; well apart from each other, and from the sides' orange and blue.
_PEOPLE = np.array(
    [
        (27, 158, 119),
        (197, 27, 125),
        (102, 166, 30),
        (117, 112, 179),
        (166, 118, 29),
        (0, 160, 180),
        (180, 40, 40),
        (90, 90, 90),
    ],
    dtype=np.uint8,
)
_LEAST, _MOST = 240, 720  # px, height of the drawing
_MOST_CELLS = 9
# A person's box is so many limbs wide or high.
_LIMB = 45.0
# From the side and from above: depth can be seen.
_AZIMUTH, _ELEVATION = 0.5, 0.2


def person_colour(person: int) -> tuple[int, int, int]:
    """RGB of a person's number; always the same."""
    return tuple(int(v) for v in _PEOPLE[person % len(_PEOPLE)])


class SceneDrawing:
    """Draws the frames of one sequence.

    Args:
        sequence: Poses; all of them, so that everybody's cell is known from the beginning.
        azimuth: Turn of the viewpoint about the vertical, rad; 0 looks as the camera does.
        elevation: Height of the viewpoint, rad.
    """

    def __init__(
        self, sequence: PoseSequence, azimuth: float = _AZIMUTH, elevation: float = _ELEVATION
    ) -> None:
        self.sequence = sequence
        self.azimuth = azimuth
        self.elevation = elevation
        self.cells = assign_cells(sequence.frames[sequence.ok], sequence.person_ids[sequence.ok])
        self.count = min(max(self.cells.values(), default=0) + 1, _MOST_CELLS)

    def draw(self, image: np.ndarray, frame: int) -> np.ndarray:
        """One frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            frame: Its number.

        Returns:
            (h, w, 3) uint8 RGB, of even sides; the picture on the left, the 3D poses on the right.
        """
        height, width = image.shape[:2]
        side = min(max(height, _LEAST), _MOST)
        side -= side % 2
        scale = side / height
        # Very wide pictures do not make the drawing wider than 4 to 1.
        wide = max(2, min(round(width * scale), 4 * side))
        scales = np.array([wide / width, scale])
        shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        left = cv2.resize(image, (wide, side), interpolation=shrink)
        left = np.ascontiguousarray(left[..., ::-1])
        right = self._panel(side, frame)
        part = self.sequence.rows(frame)
        for i in range(part.start, part.stop):
            # Pixel centres are whole numbers.
            points = (self.sequence.keypoints[i] + 0.5) * scales - 0.5
            box = self.sequence.boxes[i].reshape(2, 2) * scales
            limb = float(np.clip(np.ptp(box, axis=0).max() / _LIMB, 1.0, side / 64))
            left = draw_skeleton_2d(left, points, thickness=limb)
            self._label(left, box, int(self.sequence.person_ids[i]))
        out = np.concatenate([left, right], axis=1)
        return out[:, : out.shape[1] - out.shape[1] % 2]

    def _label(self, image: np.ndarray, box: np.ndarray, person: int) -> None:
        if person < 0 or not np.isfinite(box).all():
            return
        colour = person_colour(person)
        (x, y), (right, bottom) = np.clip(box, -1e4, 1e4).round().astype(int).tolist()
        cv2.rectangle(image, (x, y), (right, bottom), colour, 2)
        place = (max(x, 0) + 4, max(y, 0) + 16)
        cv2.putText(image, str(person), place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, colour, 2)

    def _panel(self, side: int, frame: int) -> np.ndarray:
        """(side, w, 3) 3D poses in a grid."""
        rows = math.ceil(math.sqrt(self.count))
        columns = math.ceil(self.count / rows)
        size = side // rows
        panel = np.full((side, columns * size, 3), 255, np.uint8)
        part = self.sequence.rows(frame)
        for i in range(part.start, part.stop):
            person = int(self.sequence.person_ids[i])
            cell = self.cells.get(person, _MOST_CELLS)
            if not self.sequence.ok[i] or cell >= self.count:
                continue
            joints = self.sequence.joints[i] / 1000.0
            picture = draw_skeleton_3d(joints, size, self.azimuth, self.elevation)
            colour = person_colour(person)
            cv2.rectangle(picture, (1, 1), (size - 2, size - 2), colour, 2)
            cv2.putText(picture, str(person), (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 2)
            top, left = cell // columns * size, cell % columns * size
            panel[top : top + size, left : left + size] = picture
        return panel


def assign_cells(frames: np.ndarray, person_ids: np.ndarray) -> dict[int, int]:
    """A cell for each person, free for as long as the person is there.

    Args:
        frames: (N,) frames.
        person_ids: (N,) ids.

    Returns:
        dict: Person -> cell, from 0; people who are never there together may share one.
    """
    people, place = np.unique(person_ids, return_inverse=True)
    first = np.full(len(people), np.iinfo(np.int64).max)
    last = np.full(len(people), -1)
    np.minimum.at(first, place, frames)
    np.maximum.at(last, place, frames)
    busy_until: list[int] = []
    cells = {}
    for i in np.lexsort((people, first)):
        free = next((k for k, end in enumerate(busy_until) if end < first[i]), len(busy_until))
        busy_until[free : free + 1] = [last[i]]
        cells[int(people[i])] = free
    return cells
