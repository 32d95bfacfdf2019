"""Bone lengths, parent-relative directions and forward kinematics of H36M17.

Symbols: K = 17 joints, directions and lengths ordered by child joint 1 .. K-1. Metres.

Body frame: pelvis at the origin, x = person's left, y = down (gravity), z = person's back.

Local frames (this project's choice). Each bone is a unit vector in a frame that its parent carries,
and in the rest pose all frames equal the body frame. Seventeen points carry no twist about a bone,
so frames come from what the points do say:

- hips and spine: the body frame itself (gravity down, yaw removed);
- thighs and thorax: the PELVIS frame, x along the line of the hips, y against the spine;
- shoulders: the pelvis frame bent by the bone spine -> thorax (minimal rotation);
- neck and upper arms: the CHEST frame, y against spine -> thorax, x along the line of the
  shoulders, which therefore carries the twist of the trunk;
- shanks, forearms, head: the frame of thigh, upper arm, neck, moved by the minimal rotation (swing)
  of that bone.

A swing is singular where a bone points opposite to the swing's origin, so the origin is the middle
of each bone's range, not its rest direction:
``R = R_parent swing(origin -> u) swing(rest -> origin)``.
"""

import functools

import roma
import torch
from torch import Tensor

from ._common import any_perpendicular, as_points, full_precision, rotate, safe_normalize
from .skeleton import H36M17

# Upright stance, arms hanging 12 degrees off the body, by child joint 1 .. 16, body frame.
_SIDE, _DOWN = 0.20791169081775934, 0.9781476007338057
REST_DIRECTIONS = torch.tensor(
    [
        [-1.0, 0.0, 0.0],  # right hip
        [0.0, 1.0, 0.0],  # right knee
        [0.0, 1.0, 0.0],  # right foot
        [1.0, 0.0, 0.0],  # left hip
        [0.0, 1.0, 0.0],  # left knee
        [0.0, 1.0, 0.0],  # left foot
        [0.0, -1.0, 0.0],  # spine
        [0.0, -1.0, 0.0],  # thorax
        [0.0, -1.0, 0.0],  # neck base
        [0.0, -1.0, 0.0],  # head
        [1.0, 0.0, 0.0],  # left shoulder
        [_SIDE, _DOWN, 0.0],  # left elbow
        [_SIDE, _DOWN, 0.0],  # left wrist
        [-1.0, 0.0, 0.0],  # right shoulder
        [-_SIDE, _DOWN, 0.0],  # right elbow
        [-_SIDE, _DOWN, 0.0],  # right wrist
    ],
    dtype=torch.float64,
)
"""(K-1, 3) directions of the rest pose by child joint, body frame; float64, convert before use."""

# Swing origins where they differ from the rest direction (not normalised): thighs 35 degrees
# forward, upper arms forward and outward. Their opposites cannot be reached.
_SWING_ORIGINS = {
    2: (0.0, 0.82, -0.57),
    5: (0.0, 0.82, -0.57),
    12: (0.60, 0.25, -0.76),
    15: (-0.60, 0.25, -0.76),
}

_HIPS_SPINE = [1, 4, 7]
_PELVIS_CHILDREN = [2, 5, 8]
_BEND_CHILDREN = [3, 6, 11, 14]
_CHEST_CHILDREN = [12, 15, 9]
_LIMB_CHILDREN = [13, 16, 10]
_STAGES = [_HIPS_SPINE, _PELVIS_CHILDREN, _BEND_CHILDREN, _CHEST_CHILDREN, _LIMB_CHILDREN]
# Order that puts the concatenated stages back into child order 1 .. 16.
_STAGE_ORDER = sorted(range(16), key=lambda i: [j for stage in _STAGES for j in stage][i])


@functools.lru_cache(maxsize=16)
def constants(dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """Constant tensors on one device, made once."""
    # A tensor made in inference mode could never be used in training afterwards.
    with torch.inference_mode(False), torch.no_grad():
        rest = REST_DIRECTIONS
        origins = rest.clone()
        for joint, origin in _SWING_ORIGINS.items():
            origins[joint - 1] = torch.nn.functional.normalize(
                torch.tensor(origin, dtype=rest.dtype), dim=0
            )
        ancestors = torch.zeros(17, 16, dtype=rest.dtype)
        for parent, child in H36M17.limbs:
            ancestors[child] = ancestors[parent]
            ancestors[child, child - 1] = 1.0
        tensors = {
            "rest": rest,
            "origin": origins,
            "from_rest": swing(rest, origins),
            "ancestors": ancestors,
            "x": torch.tensor([1.0, 0.0, 0.0], dtype=rest.dtype),
            "mirror": torch.tensor([-1.0, 1.0, 1.0], dtype=rest.dtype),
        }
        stages = [torch.tensor(stage) - 1 for stage in _STAGES]
        for number, stage in enumerate(stages):
            tensors[f"origin{number}"] = origins[stage]
            tensors[f"from_rest{number}"] = tensors["from_rest"][stage]
        indices = {f"stage{number}": stage for number, stage in enumerate(stages)}
        indices["child_order"] = torch.tensor(_STAGE_ORDER)
        indices["parents"] = torch.tensor(H36M17.parents[1:])
        indices["flip"] = torch.tensor(H36M17.flip_indices)
        # Copied to the device once: an index list would be copied at every call.
        made = {name: value.to(dtype=dtype, device=device) for name, value in tensors.items()}
        return made | {name: value.to(device) for name, value in indices.items()}


def swing(start: Tensor, end: Tensor) -> Tensor:
    """Smallest rotation that turns one unit vector into another.

    Opposite vectors have no smallest rotation: a half turn about some perpendicular axis is given,
    with zero gradient.

    Args:
        start: (*, 3) unit vectors.
        end: (*, 3) unit vectors.

    Returns:
        (*, 3, 3) rotations with ``R start = end``.

    Raises:
        ValueError: a trailing shape is not 3.
    """
    start = as_points(start, "start", (3,))
    end = as_points(end, "end", (3,))
    start, end = torch.broadcast_tensors(start, end)
    # Half-angle quaternion (axis * sin, cos) ~ (start x end, 1 + start . end), before normalising.
    quat = torch.cat(
        [torch.linalg.cross(start, end), 1.0 + (start * end).sum(-1, keepdim=True)], dim=-1
    )
    axis = any_perpendicular(start)
    half_turn = torch.cat([axis, torch.zeros_like(axis[..., :1])], dim=-1)
    eps = 1e-6 if start.dtype == torch.float32 else 1e-12
    return roma.unitquat_to_rotmat(safe_normalize(quat, half_turn, eps))


def _across(vectors: Tensor, axis: Tensor, fallback: Tensor) -> Tensor:
    """Unit parts of vectors across a unit axis; the fallback where (almost) nothing is left."""
    return safe_normalize(vectors - (vectors * axis).sum(-1, keepdim=True) * axis, fallback, 1e-4)


def pelvis_frame(hips_spine: Tensor) -> Tensor:
    """Frame of the pelvis from the directions root -> right hip, left hip, spine.

    Args:
        hips_spine: (*, 3, 3) unit vectors (second last dimension: right hip, left hip, spine).

    Returns:
        (*, 3, 3) rotation whose columns are the pelvis' x (left), y (down), z (back) axes.
    """
    hips_spine = as_points(hips_spine, "hips_spine", (3, 3))
    const = constants(hips_spine.dtype, hips_spine.device)
    right, left, spine = hips_spine.unbind(-2)
    x_axis = safe_normalize(left - right, const["x"].expand_as(left), 1e-4)
    y_axis = _across(-spine, x_axis, any_perpendicular(x_axis))
    return torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], dim=-1)


def _chest_frame(thorax: Tensor, left: Tensor, right: Tensor, bend: Tensor) -> Tensor:
    """Chest frame from body-frame directions; where the shoulders coincide, the bend's x axis."""
    x_axis = _across(left - right, thorax, bend[..., 0])
    return torch.stack([x_axis, -thorax, torch.linalg.cross(thorax, x_axis)], dim=-1)


def _walk(directions: Tensor, to_body: bool) -> Tensor:
    """Turn local directions into body-frame ones, or back, from the pelvis outwards.

    Both ways need the same frames, which come from the directions of the stages before.

    Args:
        directions: (*, K-1, 3) unit vectors by child joint.
        to_body: True reads local directions and gives body-frame ones, False the reverse.

    Returns:
        (*, K-1, 3).
    """
    const = constants(directions.dtype, directions.device)
    given = [directions.index_select(-2, const[f"stage{number}"]) for number in range(5)]

    def stage(index: int, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Local and body-frame directions of a stage; frames (*, n, 3, 3) or (*, 1, 3, 3)."""
        if to_body:
            return given[index], rotate(frames, given[index])
        return rotate(frames.mT, given[index]), given[index]

    def carried(index: int, frames: Tensor, local: Tensor) -> Tensor:
        """Frames that the bones of a stage carry."""
        return frames @ (swing(const[f"origin{index}"], local) @ const[f"from_rest{index}"])

    pelvis = pelvis_frame(given[0]).unsqueeze(-3)
    thigh_local, thigh_body = stage(1, pelvis)
    lower = carried(1, pelvis, thigh_local)
    bend = lower[..., 2, :, :]
    outer_local, outer_body = stage(2, torch.cat([lower, bend.unsqueeze(-3)], dim=-3))
    chest = _chest_frame(
        thigh_body[..., 2, :], outer_body[..., 2, :], outer_body[..., 3, :], bend
    ).unsqueeze(-3)
    arm_local, arm_body = stage(3, chest)
    tip_local, tip_body = stage(4, carried(3, chest, arm_local))
    if to_body:
        parts = [given[0], thigh_body, outer_body, arm_body, tip_body]
    else:
        parts = [given[0], thigh_local, outer_local, arm_local, tip_local]
    return torch.cat(parts, dim=-2).index_select(-2, const["child_order"])


@full_precision
def forward_kinematics(directions: Tensor, lengths: Tensor) -> Tensor:
    """Joints from parent-relative directions and bone lengths.

    Args:
        directions: (*, K-1, 3) in the parents' local frames (see the module's text), by child
            joint. They are normalised; a zero vector counts as the rest direction.
        lengths: (*, K-1) metres, broadcasting against the directions' leading dimensions.

    Returns:
        (*, K, 3) body frame, metres, root at the origin.

    Raises:
        ValueError: trailing shapes are not (16, 3) and 16.
    """
    directions = as_points(directions, "directions", (16, 3))
    lengths = as_points(lengths, "lengths", (16,)).to(directions.dtype)
    const = constants(directions.dtype, directions.device)
    unit = safe_normalize(directions, const["rest"])
    bones = lengths.unsqueeze(-1) * _walk(unit, to_body=True)
    return const["ancestors"] @ bones


def _bones(joints: Tensor) -> Tensor:
    """(*, K-1, 3) vectors parent -> child."""
    parents = constants(joints.dtype, joints.device)["parents"]
    return joints[..., 1:, :] - joints.index_select(-2, parents)


def bone_lengths(joints: Tensor) -> Tensor:
    """Length of every bone.

    Args:
        joints: (*, K, 3) in any frame.

    Returns:
        (*, K-1) in the joints' unit, by child joint 1 .. K-1. The gradient of a zero length is 0.

    Raises:
        ValueError: the trailing shape is not (17, 3).
    """
    return torch.linalg.vector_norm(_bones(as_points(joints, "joints", (17, 3))), dim=-1)


@full_precision
def local_directions(joints_body: Tensor) -> Tensor:
    """Parent-relative unit vectors of a pose; :func:`forward_kinematics` is the inverse.

    Args:
        joints_body: (*, K, 3) body frame. The root may lie anywhere.

    Returns:
        (*, K-1, 3) unit vectors by child joint, in the parents' local frames. A bone of length zero
        counts as pointing along its rest direction of the body frame, with zero gradient.

    Raises:
        ValueError: the trailing shape is not (17, 3).
    """
    joints_body = as_points(joints_body, "joints_body", (17, 3))
    const = constants(joints_body.dtype, joints_body.device)
    return _walk(safe_normalize(_bones(joints_body), const["rest"]), to_body=False)
