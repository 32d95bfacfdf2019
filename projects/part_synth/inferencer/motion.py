"""Poses over time and in space: smoothing, and where in front of the camera a person stands.

Symbols: N poses, K joints.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

_NEAREST = 100.0  # mm in front of the camera


def smooth_poses(
    joints: np.ndarray, person_ids: np.ndarray, frames: np.ndarray, fps: float, seconds: float
) -> np.ndarray:
    """Smooth each person's joints over time with a Gaussian; later frames count as earlier ones do.

    Args:
        joints: (N, K, 3) any unit; NaN where there is no pose.
        person_ids: (N,) ids.
        frames: (N,) frames; a gap is not smoothed over.
        fps: Frames per second.
        seconds: Standard deviation of the Gaussian; 0 changes nothing.

    Returns:
        (N, K, 3).

    Raises:
        ValueError: ``seconds`` is no number of at least 0.
    """
    if not (np.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"The smoothing must be seconds, at least 0, got {seconds!r}.")
    out = joints.copy()
    if seconds == 0:
        return out
    order = np.lexsort((frames, person_ids))
    order = order[np.isfinite(joints[order]).all((1, 2))]
    if len(order) == 0:
        return out
    breaks = (np.diff(person_ids[order]) != 0) | (np.diff(frames[order]) != 1)
    for run in np.split(order, np.flatnonzero(breaks) + 1):
        out[run] = gaussian_filter1d(joints[run], seconds * fps, axis=0, mode="nearest")
    return out


def root_positions(
    joints: np.ndarray, keypoints: np.ndarray, focal: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Where the root must be for poses to project onto their 2D joints, by least squares.

    A joint (x, y, z) of a person at (a, b, c) is seen at u = (x + a) / (z + c), v likewise:
    ``a - u c = u z - x`` and ``b - v c = v z - y`` are linear in a, b, c.

    Args:
        joints: (N, K, 3) mm, camera frame, root at the origin, of the size that the people have.
        keypoints: (N, K, 2) px; what is NaN is not used.
        focal: (2,) focal lengths, px.
        centre: (2,) principal point, px.

    Returns:
        (N, 3) float32 mm, camera frame; NaN where it can't be found.
    """
    out = np.full((len(joints), 3), np.nan, dtype=np.float32)
    rays = (keypoints.astype(np.float64) - centre) / focal
    good = np.isfinite(rays).all(-1) & np.isfinite(joints).all(-1)
    rows = np.flatnonzero(good.sum(1) >= 3)
    if len(rows) == 0:
        return out
    weight = good[rows].astype(np.float64)
    x, y, z = np.moveaxis(np.where(good[rows][..., None], joints[rows], 0.0).astype(float), -1, 0)
    u, v = np.moveaxis(np.where(good[rows][..., None], rays[rows], 0.0), -1, 0)
    total = weight.sum(1)
    matrix = np.zeros((len(rows), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = total
    matrix[:, 0, 2] = matrix[:, 2, 0] = -(u * weight).sum(1)
    matrix[:, 1, 2] = matrix[:, 2, 1] = -(v * weight).sum(1)
    matrix[:, 2, 2] = ((u**2 + v**2) * weight).sum(1)
    right_x, right_y = (u * z - x) * weight, (v * z - y) * weight
    right = np.stack([right_x.sum(1), right_y.sum(1), -(u * right_x + v * right_y).sum(1)], axis=1)
    solvable = np.linalg.cond(matrix) < 1e12
    found = np.linalg.solve(matrix[solvable], right[solvable][..., None])[..., 0]
    found[found[:, 2] < _NEAREST] = np.nan
    out[rows[solvable]] = found
    return out
