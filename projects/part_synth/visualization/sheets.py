"""Contact sheets: many small pictures with captions in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from part_synth.geometry import H36M17
from part_synth.visualization.palette import BACKGROUND_COLOUR, TEXT_COLOUR
from part_synth.visualization.parts import blend_parts, colour_parts
from part_synth.visualization.skeletons import draw_skeleton_2d, draw_skeleton_3d

_TEXT_HEIGHT = 18
_FONT_SCALE = 0.4
_EMPTY_COLOUR = (240, 240, 240)
SIDE_AZIMUTH = np.pi / 2


@dataclass
class PredictionRow:
    """What is known of one sample; everything but the 3D prediction may be missing.

    Attributes:
        joints: Predicted joints (K, 3), metres, camera frame.
        gt_joints: True joints (K, 3), metres, camera frame.
        image: Input crop, RGB (H, W, 3) uint8.
        keypoints: Predicted joints (K, 2), px of ``image``.
        gt_keypoints: True joints (K, 2), px of ``image``.
        part_labels: Predicted part labels (h, w).
        gt_part_labels: True part labels (H, W).
        gravity: Direction of gravity (3,) in the camera frame.
        caption: A few words, such as the activity and the error.
    """

    joints: np.ndarray
    gt_joints: np.ndarray | None = None
    image: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    gt_keypoints: np.ndarray | None = None
    part_labels: np.ndarray | None = None
    gt_part_labels: np.ndarray | None = None
    gravity: np.ndarray | None = None
    caption: str = ""


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray | None]],
    column_labels: Sequence[str] = (),
    row_captions: Sequence[str] = (),
    cell: int = 160,
    gap: int = 4,
) -> np.ndarray:
    """Arrange images in rows and columns.

    Args:
        rows: RGB uint8 images (H, W, 3) row by row, of any sizes; None leaves a cell empty. Each
            image is fitted into its cell with its aspect ratio kept.
        column_labels: Words above the columns.
        row_captions: Words below each row.
        cell: Side of a cell, px.
        gap: Space between cells, px.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: There is no image.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("contact_sheet needs at least one row with one image.")
    head = _TEXT_HEIGHT if column_labels else 0
    foot = _TEXT_HEIGHT if row_captions else 0
    step_y = cell + foot + gap
    height, width = head + gap + len(rows) * step_y, gap + columns * (cell + gap)
    sheet = np.full((height, width, 3), BACKGROUND_COLOUR, np.uint8)
    for j, label in enumerate(column_labels):
        _text(sheet, label, gap + j * (cell + gap), head, cell)
    for i, row in enumerate(rows):
        top = head + gap + i * step_y
        for j, image in enumerate(row):
            left = gap + j * (cell + gap)
            sheet[top : top + cell, left : left + cell] = _fit(image, cell)
        if i < len(row_captions):
            _text(sheet, row_captions[i], gap, top + cell + foot, width - 2 * gap)
    return sheet


def prediction_sheet(rows: Sequence[PredictionRow], cell: int = 160) -> np.ndarray:
    """Predictions beside the truth, one sample per row.

    Columns: input, predicted 2D joints, predicted parts, true parts, predicted 3D pose (over the
    truth in light grey) as the camera sees it and from the side. Columns that no sample can fill,
    such as the images of a 2D-to-3D lifter, are left out.

    Args:
        rows: The samples.
        cell: Side of a cell, px.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: There is no sample.
    """
    if not rows:
        raise ValueError("prediction_sheet needs at least one sample.")
    columns = {
        "input": [row.image for row in rows],
        "2D joints": [_joints_cell(row, cell) for row in rows],
        "predicted parts": [_parts_cell(row.part_labels, row.image, cell) for row in rows],
        "true parts": [_parts_cell(row.gt_part_labels, row.image, cell) for row in rows],
        "3D, camera": [_pose_cell(row, cell, 0.0) for row in rows],
        "3D, side": [_pose_cell(row, cell, SIDE_AZIMUTH) for row in rows],
    }
    filled = {k: v for k, v in columns.items() if any(image is not None for image in v)}
    captions = [row.caption for row in rows] if any(row.caption for row in rows) else []
    return contact_sheet(list(zip(*filled.values(), strict=True)), list(filled), captions, cell)


def _joints_cell(row: PredictionRow, cell: int) -> np.ndarray | None:
    if row.keypoints is None:
        return None
    image, keypoints = row.image, row.keypoints
    if image is None:
        # A lifter's 2D input on paper: fitted into the cell.
        image = np.full((cell, cell, 3), _EMPTY_COLOUR, np.uint8)
        low, high = np.nanmin(keypoints, 0), np.nanmax(keypoints, 0)
        scale = 0.85 * cell / max(float((high - low).max()), 1e-9)
        keypoints = (keypoints - (low + high) / 2) * scale + cell / 2
        return draw_skeleton_2d(image, keypoints)
    # Drawn on the enlarged image: lines on a small crop would hide the person.
    zoom = cell / max(image.shape[:2])
    return draw_skeleton_2d(_resize(image, zoom), (keypoints + 0.5) * zoom - 0.5)


def _parts_cell(
    labels: np.ndarray | None, image: np.ndarray | None, cell: int
) -> np.ndarray | None:
    if labels is None:
        return None
    # Enlarged before colours are mixed, and by the nearest label: there is no part between parts.
    height, width = labels.shape if image is None else image.shape[:2]
    zoom = cell / max(height, width)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    labels = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    if image is None:
        return colour_parts(labels)
    # Grey and dim, so that clothes are not taken for parts.
    grey = cv2.cvtColor(cv2.cvtColor(_resize(image, zoom), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return blend_parts(grey // 2, labels, 0.9)


def _pose_cell(row: PredictionRow, cell: int, azimuth: float) -> np.ndarray:
    return draw_skeleton_3d(
        row.joints, cell, azimuth, ghost=row.gt_joints, gravity=row.gravity, skeleton=H36M17
    )


def _fit(image: np.ndarray | None, cell: int) -> np.ndarray:
    square = np.full((cell, cell, 3), _EMPTY_COLOUR, np.uint8)
    if image is None:
        return square
    image = _resize(image, cell / max(image.shape[:2]))[:cell, :cell]
    top, left = (cell - image.shape[0]) // 2, (cell - image.shape[1]) // 2
    square[top : top + image.shape[0], left : left + image.shape[1]] = image
    return square


def _resize(image: np.ndarray, zoom: float) -> np.ndarray:
    size = [max(1, round(side * zoom)) for side in image.shape[1::-1]]
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=method)


def _text(sheet: np.ndarray, text: str, left: int, bottom: int, room: int) -> None:
    """Write one line, cut to the room it has."""
    while text and cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, 1)[0][0] > room:
        text = text[:-1]
    origin = (left, bottom - 5)
    cv2.putText(
        sheet, text, origin, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, TEXT_COLOUR, 1, cv2.LINE_AA
    )
