"""Geometry of lifting: 2D joints of a camera that looks at the root, and back to 3D.

The lifting frame is a camera frame (x right, y down, z forward) whose optical axis goes through
the root joint. Its unit is the distance from head to root; the root lies at (0, 0, c). 2D joints
are c x / z and c y / z: the root is the origin, and the head is again about 1 away. That is the
convention of Chen et al. (CVPR 2019), c = 10, with 2D joints c times as large: one unit serves
both, and c says how strong the perspective is and nothing else.

Symbols: K joints, c distance of the root, T frames of one clip.
"""

import torch
from torch import Tensor

from ._common import as_points, full_precision, safe_normalize
from .skeleton import H36M17

ROOT_DISTANCE = 10.0
# No joint comes nearer to the camera than this (Chen et al. 2019).
NEAREST = 1.0
# All bones of a pose, as a camera sees them, add up to this: foreshortening leaves about four
# fifths of 5.7 head-root distances. One number for all poses keeps people equally large.
BONES_TOTAL = 4.5

_PARENTS = torch.tensor(H36M17.parents[1:])
_FLIP = torch.tensor(H36M17.flip_indices)


@full_precision
def lift_points(points: Tensor, offsets: Tensor, distance: float = ROOT_DISTANCE) -> Tensor:
    """Move 2D joints to their depths: ``X = (x / c, y / c, 1) max(1, c + d)``.

    Args:
        points: (*, K, 2) joints of the lifting frame's image, root at the origin.
        offsets: (*, K) depth of each joint behind the root's, d.
        distance: c.

    Returns:
        (*, K, 3) lifting frame.

    Raises:
        ValueError: a shape is another one.
    """
    points = as_points(points, "points", (None, 2))
    depth = (distance + as_points(offsets, "offsets", (points.shape[-2],))).clamp_min(NEAREST)
    return torch.cat([points * (depth / distance).unsqueeze(-1), depth.unsqueeze(-1)], dim=-1)


def flat_points(joints: Tensor, distance: float = ROOT_DISTANCE) -> Tensor:
    """Project joints of the lifting frame: (c x / z, c y / z); joints nearer than 1 as if at 1.

    Args:
        joints: (*, 3) lifting frame.
        distance: c.

    Returns:
        (*, 2).

    Raises:
        ValueError: the trailing shape is not 3.
    """
    joints = as_points(joints, "joints", (3,))
    return joints[..., :2] * (distance / joints[..., 2:].clamp_min(NEAREST))


@full_precision
def turn_about_root(joints: Tensor, rotation: Tensor) -> Tensor:
    """Turn poses about their root, which stays where it is.

    Args:
        joints: (*, K, 3), root first.
        rotation: (*, 3, 3); its leading dimensions match the first of the joints'.

    Returns:
        (*, K, 3).

    Raises:
        ValueError: a trailing shape is another one.
    """
    joints = as_points(joints, "joints", (None, 3))
    rotation = as_points(rotation, "rotation", (3, 3))
    while rotation.ndim < joints.ndim:
        rotation = rotation.unsqueeze(-3)
    root = joints[..., :1, :]
    return (joints - root) @ rotation.mT + root


def mirror_points(points: Tensor) -> Tensor:
    """Mirror image of 2D poses: left and right joints exchanged, x negated.

    Args:
        points: (*, 17, 2), root at the origin.

    Returns:
        (*, 17, 2).

    Raises:
        ValueError: the trailing shape is another one.
    """
    points = as_points(points, "points", (17, 2))
    flipped = points.index_select(-2, _FLIP.to(points.device))
    return flipped * points.new_tensor([-1.0, 1.0])


def bones_total(points: Tensor) -> Tensor:
    """Sum of the lengths of all bones, in 2D or 3D.

    Args:
        points: (*, 17, D), H36M17 order.

    Returns:
        (*).
    """
    parents = _PARENTS.to(points.device)
    bones = points[..., 1:, :] - points.index_select(-2, parents)
    return torch.linalg.vector_norm(bones, dim=-1).sum(-1)


def unit_scale(points: Tensor, total: float = BONES_TOTAL) -> Tensor:
    """Factor that brings the 2D poses of each clip to the lifting frame's size.

    Foreshortening and distance change how large a person is in the image; the bones' sum depends on
    the pose far less than the extent does. One factor for a clip keeps its motion.

    Args:
        points: (*, T, 17, 2) any unit.
        total: What all bones of a pose add up to afterwards, on average over the clip.

    Returns:
        (*, 1, 1, 1) factor; 0 for poses of a single point.

    Raises:
        ValueError: the trailing shape is not (T, 17, 2).
    """
    points = as_points(points, "points", (None, 17, 2))
    size = bones_total(points).mean(-1)[..., None, None, None]
    is_point = size <= torch.finfo(size.dtype).tiny
    return torch.where(is_point, 0.0, total / torch.where(is_point, torch.ones_like(size), size))


@full_precision
def aim_at(ray: Tensor) -> Tensor:
    """Rotation of a camera that pans, then tilts, until a ray is its optical axis.

    Args:
        ray: (*, 3) direction in the camera frame, any length; in front of the camera.

    Returns:
        (*, 3, 3) from the camera frame into the aimed frame: ``aim_at(ray) ray = (0, 0, |ray|)``.

    Raises:
        ValueError: the trailing shape is not 3.
    """
    ray = as_points(ray, "ray", (3,))
    axis = torch.tensor([0.0, 0.0, 1.0], dtype=ray.dtype, device=ray.device)
    forward = safe_normalize(ray, axis)
    x, y, z = forward.unbind(-1)
    flat = torch.stack([x, torch.zeros_like(y), z], dim=-1)
    flat = safe_normalize(flat, axis)
    right = torch.stack([flat[..., 2], torch.zeros_like(y), -flat[..., 0]], dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-2)


def aim_points(pixels: Tensor, focal: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """2D joints as a camera at the same place would see them that looks at the root.

    Away from the middle of the image a camera looks at a person along another direction than its
    optical axis; the pose in the camera frame is then not the pose along that view. Turning the
    camera first takes that out, exactly, since a turn of the camera needs no depth.

    Args:
        pixels: (*, K, 2) px, root first.
        focal: (*, 2) px.
        centre: (*, 2) principal point, px.

    Returns:
        points (*, K, 2), root at the origin, x / z and y / z of the aimed camera; and the rotation
        (*, 3, 3) from the camera frame into the aimed frame.

    Raises:
        ValueError: a trailing shape is another one.
    """
    pixels = as_points(pixels, "pixels", (None, 2))
    rays = (pixels - centre.unsqueeze(-2)) / focal.unsqueeze(-2)
    rays = torch.cat([rays, torch.ones_like(rays[..., :1])], dim=-1)
    rotation = aim_at(rays[..., 0, :])
    rays = rays @ rotation.mT
    # A joint more than 84 degrees off the axis is no joint of the person the camera looks at.
    return rays[..., :2] / rays[..., 2:].clamp_min(0.1), rotation


def far_camera(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Intrinsics where no camera is known: it looks straight at the root, from far away.

    Args:
        pixels: (*, K, 2) px, root first.

    Returns:
        Focal length (*, 2), four times the larger side of the person's box, and principal point
        (*, 2), the root; both px.

    Raises:
        ValueError: the trailing shape is another one.
    """
    pixels = as_points(pixels, "pixels", (None, 2))
    size = (pixels.amax(-2) - pixels.amin(-2)).amax(-1, keepdim=True)
    return 4.0 * size.expand(*size.shape[:-1], 2), pixels[..., 0, :]
