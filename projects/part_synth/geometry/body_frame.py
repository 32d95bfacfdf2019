"""Body frame, heading and mirror image of a pose.

The body frame and its axes are described in :mod:`part_synth.geometry.kinematics`. K = 17 joints in
H36M17 order; functions that only read the hips take any number of joints that starts like it.
"""

import torch
from torch import Tensor

from ._common import as_points, full_precision, safe_normalize
from .kinematics import constants, pelvis_frame

_VERTICALS = ("z_up", "y_down")


def _horizontal_left(joints: Tensor, vertical: str) -> Tensor:
    """(*, 2) unit vector (cos yaw, sin yaw) of the hip line seen along the vertical."""
    if vertical not in _VERTICALS:
        raise ValueError(f"vertical must be one of {_VERTICALS}, got {vertical!r}.")
    joints = as_points(joints, "joints", (None, 3))
    if joints.shape[-2] < 5:
        raise ValueError(
            f"joints must start like H36M17 (hips are joints 1 and 4), got shape "
            f"{tuple(joints.shape)}."
        )
    across = joints[..., 4, :] - joints[..., 1, :]
    if vertical == "z_up":
        flat = across[..., :2]
    else:
        flat = torch.stack([across[..., 0], -across[..., 2]], dim=-1)
    # A hip line along the vertical has no yaw: 0 by convention.
    return safe_normalize(flat, constants(flat.dtype, flat.device)["x"][:2])


def body_yaw(joints: Tensor, vertical: str = "z_up") -> Tensor:
    """Heading of a person: the turn about the vertical that makes the pose from its canonical one.

    Read from the line of the hips. ``z_up``: counter-clockwise seen from above, 0 when the person's
    left is +x (the person faces -y). ``y_down`` (camera without tilt, body frame): the azimuth of
    :func:`part_synth.geometry.view_rotation`, 0 when the person faces -z.

    Args:
        joints: (*, K, 3) with H36M17's hips at 1 and 4.
        vertical: ``'z_up'`` or ``'y_down'``.

    Returns:
        (*) rad in [-pi, pi]; 0 where the line of the hips is vertical.

    Raises:
        ValueError: bad shape or unknown vertical.
    """
    cos_sin = _horizontal_left(joints, vertical)
    return torch.atan2(cos_sin[..., 1], cos_sin[..., 0])


@full_precision
def to_body_frame(joints: Tensor) -> tuple[Tensor, Tensor]:
    """World joints to the body frame: root at the origin, yaw removed, gravity kept.

    Args:
        joints: (*, K, 3) world frame, z up.

    Returns:
        joints_body (*, K, 3) in the joints' unit, and the rotation (*, 3, 3) from world to body
        frame: ``joints_body = rotation (joints - root)``.

    Raises:
        ValueError: bad shape.
    """
    cos_sin = _horizontal_left(joints, "z_up")
    joints = as_points(joints, "joints", (None, 3))
    cos, sin = cos_sin.unbind(-1)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rows = [cos, sin, zero, zero, zero, -one, -sin, cos, zero]
    rotation = torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
    return (joints - joints[..., :1, :]) @ rotation.mT, rotation


@full_precision
def canonicalise_camera_pose(joints: Tensor) -> tuple[Tensor, Tensor]:
    """Turn a pose to face one way without knowing gravity: axes from hips and trunk.

    x runs along the line of the hips (to the person's left), y against root -> thorax. Unlike
    :func:`to_body_frame` this also removes the lean of the trunk.

    Args:
        joints: (*, K, 3) in any right-handed frame, H36M17 order.

    Returns:
        canonical joints (*, K, 3), root at the origin, and the rotation (*, 3, 3):
        ``canonical = rotation (joints - root)``.

    Raises:
        ValueError: the trailing shape is not (17, 3).
    """
    joints = as_points(joints, "joints", (17, 3))
    centred = joints - joints[..., :1, :]
    const = constants(joints.dtype, joints.device)
    trunk = safe_normalize(centred[..., 8, :], const["rest"][6])
    hips = safe_normalize(centred[..., [1, 4], :], const["rest"][[0, 3]])
    frame = pelvis_frame(torch.cat([hips, trunk.unsqueeze(-2)], dim=-2))
    return centred @ frame, frame.mT


def mirror(joints: Tensor) -> Tensor:
    """Mirror image of a pose: left and right joints exchanged, x negated.

    Args:
        joints: (*, K, 3) in a frame whose x axis is the one to flip (body or camera frame).

    Returns:
        (*, K, 3).

    Raises:
        ValueError: the trailing shape is not (17, 3).
    """
    joints = as_points(joints, "joints", (17, 3))
    const = constants(joints.dtype, joints.device)
    return joints.index_select(-2, const["flip"]) * const["mirror"]
