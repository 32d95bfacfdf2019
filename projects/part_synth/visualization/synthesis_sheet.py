"""Sheets and video frames of synthesised people, with what they were made from in the margins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from part_synth.visualization.sheets import contact_sheet
from part_synth.visualization.skeletons import draw_skeleton_3d


def synthesis_sheet(
    looks: Sequence[np.ndarray],
    poses: Sequence[np.ndarray | None],
    images: np.ndarray,
    labels: Sequence[str] = (),
    cell: int = 160,
) -> np.ndarray:
    """Draw all looks in all poses: a row for each person, a column for each pose.

    The first column shows the looks, the first row the poses.

    Args:
        looks: R pictures, RGB (S, S, 3) uint8.
        poses: C pictures, RGB (S, S, 3) uint8; None leaves a cell empty. A row of nothing but None
            is left out.
        images: (R, C, S, S, 3) uint8 RGB, the synthesised images.
        labels: C words above the columns.
        cell: Side of a cell, px.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: The numbers of looks, poses, labels and images do not fit.
    """
    images = np.asarray(images)
    _check(images, looks, poses, labels)
    rows = [[look, *row] for look, row in zip(looks, images, strict=True)]
    if any(pose is not None for pose in poses):
        rows = [[None, *poses], *rows]
    return contact_sheet(rows, ["looks", *labels] if labels else [], cell=cell)


def synthesis_frame(
    looks: Sequence[np.ndarray], pose: np.ndarray | None, images: np.ndarray, cell: int = 160
) -> np.ndarray:
    """Draw one frame of a video: the looks above, the pose on the left, the images beside it.

    Args:
        looks: R pictures, RGB (S, S, 3) uint8.
        pose: The picture that the pose was read from, RGB (S, S, 3) uint8; None without one.
        images: (R, S, S, 3) uint8 RGB, the synthesised images.
        cell: Side of a cell, px.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: The numbers of looks and images differ.
    """
    images = np.asarray(images)
    _check(images[:, None], looks, [pose], ())
    if pose is None:
        return contact_sheet([list(looks), list(images)], cell=cell)
    return contact_sheet([[None, *looks], [pose, *images]], cell=cell)


def pose_pictures(joints_cam: np.ndarray, cell: int = 160) -> list[np.ndarray]:
    """Drawings of 3D poses, for the margin of a sheet.

    Args:
        joints_cam: (N, 17, 3) mm, camera frame.
        cell: Side of a picture, px.

    Returns:
        N pictures, RGB (cell, cell, 3) uint8.
    """
    return [draw_skeleton_3d(joints / 1000.0, cell) for joints in joints_cam]


def _check(images: np.ndarray, looks: Sequence, poses: Sequence, labels: Sequence) -> None:
    shape = (len(looks), len(poses))
    if images.ndim != 5 or images.shape[:2] != shape or len(labels) not in (0, len(poses)):
        raise ValueError(
            f"{len(looks)} looks and {len(poses)} poses need images {shape} + (S, S, 3) and no "
            f"labels or one for each pose, got {images.shape} and {len(labels)} labels."
        )
