"""A contact sheet of what a search found: the query, the nearest pictures, their poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from part_synth.geometry import H36M17
from part_synth.visualization.palette import BACKGROUND_COLOUR
from part_synth.visualization.sheets import contact_sheet
from part_synth.visualization.skeletons import draw_skeleton_3d

_COLUMNS = 6


def retrieval_sheet(
    query: np.ndarray,
    crops: Sequence[np.ndarray | None],
    distances: Sequence[float],
    poses: np.ndarray | None = None,
    cell: int = 160,
    columns: int = _COLUMNS,
) -> np.ndarray:
    """Draw the query and its K neighbours, nearest first, in lines of a few.

    Args:
        query: What was searched for, RGB (S, S, 3) uint8.
        crops: K pictures, RGB (S, S, 3) uint8; None leaves a cell empty.
        distances: (K,) distances of the embeddings.
        poses: (K, 17, 3) metres, camera frame; drawn below the pictures. None draws none.
        cell: Side of a cell, px.
        columns: Cells in a line.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: There is no neighbour, or the numbers of pictures, distances and poses differ.
    """
    counts = {len(crops), len(distances)} | (set() if poses is None else {len(poses)})
    if len(counts) > 1 or not crops:
        raise ValueError(
            "retrieval_sheet needs one distance and one pose, or no pose at all, for each of at "
            f"least one picture; got {len(crops)} pictures, {len(distances)} distances and "
            f"{'no' if poses is None else len(poses)} poses."
        )
    pictures = [query, *crops]
    labels = ["query", *(f"{i}: {d:.3f}" for i, d in enumerate(distances, 1))]
    drawn = None if poses is None else [None, *(_draw(pose, cell) for pose in poses)]
    columns = min(columns, len(pictures))
    lines = []
    for start in range(0, len(pictures), columns):
        part = slice(start, start + columns)
        rows = [pictures[part]] if drawn is None else [pictures[part], drawn[part]]
        # The last line is as wide as the others.
        rows = [[*row, *[None] * (columns - len(row))] for row in rows]
        lines.append(contact_sheet(rows, labels[part], cell=cell))
    return np.concatenate(lines)


def _draw(pose: np.ndarray, cell: int) -> np.ndarray:
    if not np.isfinite(pose).any():
        return np.full((cell, cell, 3), BACKGROUND_COLOUR, np.uint8)
    return draw_skeleton_3d(pose, cell, skeleton=H36M17)
