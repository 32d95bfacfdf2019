"""A picture of a set of prepared videos: some clips, with boxes and joints."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import cv2
import numpy as np

from part_synth.datasets.wild.layout import WildFrames
from part_synth.visualization import draw_skeleton_2d

_ROWS = 12
_COLUMNS = 5
_HEIGHT = 160  # px of a tile
_GAP = 4
_BOX_COLOUR = (0, 200, 255)


def write_contact_sheet(root: str | Path, path: str | Path) -> Path:
    """Write a JPEG: a row for each of up to 12 clips, frames in time, then the background.

    Args:
        root: Folder of the data set.
        path: File to write.

    Returns:
        Path: The file.

    Raises:
        FileNotFoundError: There is no such set.
        ValueError: It holds no clip.
        OSError: The file can't be written.
    """
    index = WildFrames.from_disk(root)
    groups = index.group_by("subject", "clip", "camera")
    chosen = np.unique(np.linspace(0, len(groups) - 1, min(_ROWS, len(groups))).astype(int))
    rows = [_row(index, groups[int(group)]) for group in chosen]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, _GAP), (0, width - row.shape[1]), (0, 0))) for row in rows]
    path = Path(path)
    if not cv2.imwrite(str(path), np.concatenate(padded)):
        raise OSError(f"{path} can't be written; is the disk full?")
    return path


def _row(index: WildFrames, frames: np.ndarray) -> np.ndarray:
    """Frames of one clip side by side, BGR."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(_COLUMNS, len(frames))).astype(int))
    tiles = [_tile(index, int(frames[place])) for place in places]
    sequence = int(index.sequence_id[frames[0]])
    background = index.background_path(str(index.sequences.background[sequence]))
    if background is not None:
        tiles.append(_resized(cv2.imread(str(background))))
    label = f"{index.sequences.subject[sequence]} {index.sequences.clip[sequence]}"
    label += f", {len(frames)} frames{', moving camera' * bool(index.sequences.moving[sequence])}"
    # OpenCV draws ASCII alone: letters lose their accents, and those of other scripts are left out.
    label = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    tiles[0] = np.ascontiguousarray(tiles[0])
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tiles[0], label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, thickness)
    return np.concatenate(tiles, axis=1)


def _tile(index: WildFrames, frame: int) -> np.ndarray:
    image = cv2.imread(str(index.image_path(frame)))
    if image is None:
        raise OSError(f"{index.image_path(frame)} can't be read.")
    x, y, side = index.box[frame]
    scale = _HEIGHT / image.shape[0]
    image = _resized(image)
    points = index.keypoints[frame]
    if np.isfinite(points).all():
        drawn = draw_skeleton_2d(np.ascontiguousarray(image[..., ::-1]), points * scale)
        image = np.ascontiguousarray(drawn[..., ::-1])
    corners = [
        tuple(round(float(v * scale)) for v in (x + s, y + s)) for s in (-side / 2, side / 2)
    ]
    return cv2.rectangle(image, *corners, _BOX_COLOUR, 1)


def _resized(image: np.ndarray) -> np.ndarray:
    width = max(round(image.shape[1] * _HEIGHT / image.shape[0]), 1)
    return cv2.resize(image, (width, _HEIGHT), interpolation=cv2.INTER_AREA)
