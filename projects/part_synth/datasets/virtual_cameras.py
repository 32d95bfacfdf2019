"""Rigs of fixed cameras like those of Human3.6M's studio, to look at motion capture with.

Symbols: C cameras, N poses, K joints. World frame: metres, z up, the room's origin on the floor.
Camera frame: metres, x right, y down, z forward. Pixels: integers are pixel centres.

The ranges lie around those of Human3.6M's own calibration (distance 4.1-5.5 m, height 1.49-1.61 m,
tilt 10.7-16.0 degrees, focal length 1143-1150 px on 1000 x 1000 px). Its lens distortion is left
out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

IMAGE_SIZE = 1000  # width and height, px
_AZIMUTH_JITTER = 10.0  # degrees either way of the middle of a camera's sector
_DISTANCE = (4.0, 5.6)  # from the room's origin, along the floor, m
_HEIGHT = (1.4, 1.7)  # m
_TILT = (10.0, 16.0)  # downwards, degrees
_ROLL = 1.0  # degrees either way
_FOCAL = (1145.0, 1150.0)  # px
_CENTRE = (512.0, 508.0)  # px
_CENTRE_JITTER = 12.0  # px either way


def human36m_like_rig(rng: np.random.Generator, cameras: int = 4) -> dict[str, dict]:
    """Cameras all around the origin that look at the person there, slightly from above.

    Each stands in the middle of its own sector of the circle (four cameras: at 45, 135, 225 and 315
    degrees), moved by up to 10 degrees; then the whole rig turns by any angle. The optical axis
    meets the vertical through the origin.

    Args:
        rng (np.random.Generator): Source of all numbers.
        cameras (int): C.

    Returns:
        dict[str, dict]: Name (``cam0`` ...) -> entry of mmpose's ``cameras.pkl``: ``R`` (3, 3)
        camera to world, ``T`` (3, 1) position in metres, ``f`` (2, 1) and ``c`` (2, 1) px, ``k``
        (3, 1) and ``p`` (2, 1) zeros, ``w``, ``h``, ``name``, ``id``.

    Raises:
        ValueError: ``cameras`` is below 1.
    """
    if cameras < 1:
        raise ValueError(f"A rig needs at least one camera, got {cameras}.")
    sector = 360.0 / cameras
    azimuth = sector * (np.arange(cameras) + 0.5) + rng.uniform(0.0, 360.0)
    # More than eight cameras must not change places.
    jitter = min(_AZIMUTH_JITTER, 0.45 * sector)
    azimuth = np.deg2rad(azimuth + rng.uniform(-jitter, jitter, cameras))
    distance = rng.uniform(*_DISTANCE, cameras)
    position = np.stack(
        [
            distance * np.cos(azimuth),
            distance * np.sin(azimuth),
            rng.uniform(*_HEIGHT, cameras),
        ],
        axis=-1,
    )
    tilt = np.deg2rad(rng.uniform(*_TILT, cameras))
    roll = np.deg2rad(rng.uniform(-_ROLL, _ROLL, cameras))
    rotation = _facing_inwards(azimuth, tilt, roll)
    focal = rng.uniform(*_FOCAL, (cameras, 2))
    centre = np.array(_CENTRE) + rng.uniform(-_CENTRE_JITTER, _CENTRE_JITTER, (cameras, 2))
    return {
        f"cam{i}": {
            "R": rotation[i],
            "T": position[i].reshape(3, 1),
            "c": centre[i].reshape(2, 1),
            "f": focal[i].reshape(2, 1),
            "k": np.zeros((3, 1)),
            "p": np.zeros((2, 1)),
            "w": IMAGE_SIZE,
            "h": IMAGE_SIZE,
            "name": f"camera{i + 1}",
            "id": f"cam{i}",
        }
        for i in range(cameras)
    }


def look_through(xyz: np.ndarray, rig: Mapping[str, dict]) -> tuple[np.ndarray, np.ndarray]:
    """See world points through every camera of a rig.

    Args:
        xyz (np.ndarray): (*, 3) world frame, metres.
        rig (Mapping[str, dict]): C entries of ``cameras.pkl``; lens distortion is not applied.

    Returns:
        tuple: (C, *, 3) float64 camera frame, metres, and (C, *, 2) float64 px. Points behind a
        camera get mirrored pixels: mask them by depth.

    Raises:
        ValueError: The last axis of ``xyz`` is not 3.
    """
    xyz = np.asarray(xyz, dtype=np.float64)
    if xyz.shape[-1:] != (3,):
        raise ValueError(f"Points need the shape (*, 3), got {xyz.shape}.")
    rotation, position, focal, centre = (
        np.stack([np.asarray(camera[key], dtype=np.float64) for camera in rig.values()])
        for key in "RTfc"
    )
    flat = xyz.reshape(-1, 3)
    # R leads from the camera to the world, so rows times R lead back.
    points = (flat - position.reshape(-1, 1, 3)) @ rotation
    pixels = focal.reshape(-1, 1, 2) * points[..., :2] / points[..., 2:]
    pixels += centre.reshape(-1, 1, 2)
    return points.reshape(-1, *xyz.shape), pixels.reshape(-1, *xyz.shape[:-1], 2)


def _facing_inwards(azimuth: np.ndarray, tilt: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Rotations (C, 3, 3) camera to world; all angles (C,) rad, tilt > 0 looks down."""
    zero = np.zeros_like(azimuth)
    cos, sin = np.cos(azimuth), np.sin(azimuth)
    forward = np.stack([-cos * np.cos(tilt), -sin * np.cos(tilt), -np.sin(tilt)], axis=-1)
    right = np.stack([-sin, cos, zero], axis=-1)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward], axis=-1)
