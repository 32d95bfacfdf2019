"""Pinhole cameras without lens distortion, and view rotations.

Camera frame: x right, y down, z forward, metres. Pixels: x right, y down. World frame: z up.

Broadcasting: the leading dimensions of a camera parameter match the FIRST leading dimensions of the
points, so one camera per sample, (B, 2) or (B, 3, 3), serves points of shape (B, K, 3) as it is.
"""

import roma
import torch
from torch import Tensor

from ._common import align_leading, as_points, full_precision, rotate


def _align(points: Tensor, **vectors: Tensor) -> list[Tensor]:
    """Check vectors of shape (*, 2) and line them up with the points' leading dimensions."""
    return [
        align_leading(as_points(value, name, (2,)).to(points), points.shape[:-1], 1, name)
        for name, value in vectors.items()
    ]


def project(points: Tensor, focal: Tensor, centre: Tensor) -> Tensor:
    """Project points of the camera frame: ``u = f * (x, y) / z + c``.

    Depths are used as they are: points behind the camera give mirrored pixels, points in its plane
    infinite ones. Mask them by ``z > 0`` where they can occur.

    Args:
        points: (*, 3) camera frame, metres.
        focal: (*, 2) focal lengths, px.
        centre: (*, 2) principal point, px.

    Returns:
        (*, 2) px.

    Raises:
        ValueError: a trailing shape is another one.

    Example:
        >>> project(torch.tensor([[0.5, 0.0, 2.0]]), torch.tensor([100.0, 100.0]),
        ...         torch.tensor([64.0, 64.0]))
        tensor([[89., 64.]])
    """
    points = as_points(points, "points", (3,))
    focal, centre = _align(points, focal=focal, centre=centre)
    return focal * points[..., :2] / points[..., 2:] + centre


def back_project(pixels: Tensor, depth: Tensor, focal: Tensor, centre: Tensor) -> Tensor:
    """Points of the camera frame from pixels and their depths; the inverse of :func:`project`.

    Args:
        pixels: (*, 2) px.
        depth: (*,) distance along the optical axis (z, not the ray's length), metres.
        focal: (*, 2) focal lengths, px.
        centre: (*, 2) principal point, px.

    Returns:
        (*, 3) camera frame, metres.

    Raises:
        ValueError: a shape is another one.
    """
    pixels = as_points(pixels, "pixels", (2,))
    focal, centre = _align(pixels, focal=focal, centre=centre)
    depth = as_points(depth, "depth", ()).to(pixels)
    depth = align_leading(depth.unsqueeze(-1), pixels.shape[:-1], 1, "depth")
    xy = (pixels - centre) / focal * depth
    return torch.cat([xy, depth.expand(*xy.shape[:-1], 1)], dim=-1)


def _extrinsics(points: Tensor, rotation: Tensor, translation: Tensor) -> tuple[Tensor, Tensor]:
    translation = as_points(translation, "T", (3,))
    rotation = as_points(rotation, "R", (3, 3))
    leading = points.shape[:-1]
    return (
        align_leading(rotation.to(points), leading, 2, "R"),
        align_leading(translation.to(points), leading, 1, "T"),
    )


@full_precision
def world_to_camera(points: Tensor, R: Tensor, T: Tensor) -> Tensor:
    """Move world points into a camera's frame: ``X_cam = R^T (X_world - T)``.

    ``R`` and ``T`` are those of mmpose's ``cameras.pkl`` and ``SimpleCamera``: R turns CAMERA axes
    into WORLD axes (its columns are the camera's axes in the world), T is the camera's centre in
    the world. Flatten ``cameras.pkl``'s (3, 1) T first. For a world-to-camera rotation (as in
    Human3.6M's own files) pass its transpose.

    Args:
        points: (*, 3) world frame, metres.
        R: (*, 3, 3) camera-to-world rotation.
        T: (*, 3) camera centre, world frame, metres.

    Returns:
        (*, 3) camera frame, metres.

    Raises:
        ValueError: a trailing shape is another one.
    """
    points = as_points(points, "points", (3,))
    R, T = _extrinsics(points, R, T)
    return rotate(R.mT, points - T)


@full_precision
def camera_to_world(points: Tensor, R: Tensor, T: Tensor) -> Tensor:
    """Move camera points into the world: ``X_world = R X_cam + T``.

    The inverse of :func:`world_to_camera`; same arguments.

    Args:
        points: (*, 3) camera frame, metres.
        R: (*, 3, 3) camera-to-world rotation.
        T: (*, 3) camera centre, world frame, metres.

    Returns:
        (*, 3) world frame, metres.

    Raises:
        ValueError: a trailing shape is another one.
    """
    points = as_points(points, "points", (3,))
    R, T = _extrinsics(points, R, T)
    return rotate(R, points) + T


def view_rotation(azimuth: Tensor, elevation: Tensor, roll: Tensor | None = None) -> Tensor:
    """Rotation from the body frame into a camera's: ``Rz(roll) Rx(elevation) Ry(azimuth)``.

    Body and camera frames both have y down, so with all angles 0 the person faces the camera.
    Elevation > 0: the camera is above and looks down. The turns are about the camera's own axes.

    Args:
        azimuth: (*) rad, about the vertical.
        elevation: (*) rad.
        roll: (*) rad, about the optical axis; None means 0.

    Returns:
        (*, 3, 3); ``X_cam = view_rotation X_body + root``.

    Raises:
        TypeError: an angle is not a floating point tensor.
    """
    azimuth = as_points(azimuth, "azimuth", ())
    elevation = as_points(elevation, "elevation", ()).to(azimuth)
    roll = torch.zeros_like(azimuth) if roll is None else as_points(roll, "roll", ()).to(azimuth)
    angles = torch.broadcast_tensors(roll, elevation, azimuth)
    return roma.euler_to_rotmat("ZXY", list(angles))


def view_angles(rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Angles of a view rotation; the inverse of :func:`view_rotation`.

    Args:
        rotation: (*, 3, 3) rotations. At elevation +-90 degrees azimuth and roll are not unique.

    Returns:
        azimuth (*) in [-pi, pi], elevation (*) in [-pi/2, pi/2], roll (*) in [-pi, pi], rad.

    Raises:
        ValueError: the trailing shape is not (3, 3).
    """
    rotation = as_points(rotation, "rotation", (3, 3))
    roll, elevation, azimuth = roma.rotmat_to_euler("ZXY", rotation, as_tuple=True)
    return azimuth, elevation, roll


def crop_intrinsics(
    focal: Tensor, centre: Tensor, crop_centre: Tensor, crop_size: Tensor, out_size: Tensor
) -> tuple[Tensor, Tensor]:
    """Intrinsics of a crop that was cut around a point and resized.

    A pixel's coordinate p of the whole image becomes ``(p - crop_centre) * s + out_size / 2`` with
    ``s = out_size / crop_size`` (continuous coordinates: 0 is the left EDGE of the first pixel).

    Args:
        focal: (*, 2) px of the whole image.
        centre: (*, 2) principal point, px of the whole image.
        crop_centre: (*, 2) px of the whole image.
        crop_size: (*, 2) width and height of the crop, px of the whole image.
        out_size: (*, 2) width and height it is resized to, px.

    Returns:
        focal (*, 2) and centre (*, 2) in pixels of the resized crop.

    Raises:
        ValueError: a trailing shape is not 2.
    """
    focal = as_points(focal, "focal", (2,))
    centre, crop_centre, crop_size, out_size = _align(
        focal, centre=centre, crop_centre=crop_centre, crop_size=crop_size, out_size=out_size
    )
    scale = out_size / crop_size
    return focal * scale, (centre - crop_centre) * scale + out_size / 2
