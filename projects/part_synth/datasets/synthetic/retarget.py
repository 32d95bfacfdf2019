"""Drive a body with 17 joints: segment rotations by minimal rotation, feet on the floor.

Symbols: T frames, V vertices, S segments, K = 17 joints. World frame: metres, z up, floor z = 0.
Each segment's rotation turns the *rest frame* (see :mod:`bodies`) into the world, so a chain of
minimal rotations reproduces the driver's limb directions exactly; lengths, shoulders, neck and
feet are the body's own. Everything is float64 torch, batched over frames.
"""

from dataclasses import dataclass

import numpy as np
import roma
import torch
from torch import Tensor

from part_synth.datasets.synthetic.bodies import (
    JOINT_SEGMENTS,
    SEGMENT_NAMES,
    SEGMENT_PARENTS,
    RestBody,
)

_SEGMENT = {name: index for index, name in enumerate(SEGMENT_NAMES)}
# Human3.6M joint indices.
_ROOT, _SPINE, _THORAX, _HEAD = 0, 7, 8, 10
_HIP_KNEE_ANKLE = {"left": (4, 5, 6), "right": (1, 2, 3)}
_SHOULDER_ELBOW_WRIST = {"left": (11, 12, 13), "right": (14, 15, 16)}

# Limits of what the joints do not tell, degrees. Axial rotation of the hip: AAOS, 45 in and out.
# Axial rotation of the arm: Boone & Azen 1979, 69 in and 104 out.
_MAX_THIGH_TWIST, _MAX_ARM_TWIST = 45.0, 100.0
# Elevation of the shoulder girdle with the arm fully up: about one third of scapulohumeral
# rhythm's 60 degrees, which is what moves the shoulder joint upward.
_MAX_CLAVICLE_ELEVATION = 25.0
_MAX_ANKLE_CORRECTION = 45.0


@dataclass(frozen=True)
class PosedBody:
    """Segment transforms of one person over a clip.

    Attributes:
        rotations: (T, S, 3, 3) float64, rest frame to world.
        origins: (T, S, 3) metres, the pivots in the world.
        joints: (T, 17, 3) metres in the world, Human3.6M order.
    """

    rotations: Tensor
    origins: Tensor
    joints: Tensor

    def matrices(self, body: RestBody) -> Tensor:
        """Affine maps (T, S, 3, 4) from rest vertices to the world."""
        pivots = torch.as_tensor(body.pivots)
        offsets = self.origins - torch.einsum("tsij,sj->tsi", self.rotations, pivots)
        return torch.cat([self.rotations, offsets[..., None]], dim=-1)

    def slice(self, start: int, stop: int) -> "PosedBody":
        """The frames ``start`` to ``stop``."""
        return PosedBody(*(x[start:stop] for x in (self.rotations, self.origins, self.joints)))


def skin(weights: Tensor, points: Tensor, matrices: Tensor) -> Tensor:
    """Linear blend skinning.

    Args:
        weights: (V, S), rows sum to 1.
        points: (V, 3) metres in the rest frame.
        matrices: (T, S, 3, 4) of :meth:`PosedBody.matrices`.

    Returns:
        (T, V, 3) world metres.
    """
    blended = torch.einsum("vs,tsx->tvx", weights, matrices.flatten(2)).unflatten(-1, (3, 4))
    return torch.einsum("tvij,vj->tvi", blended[..., :3], points) + blended[..., 3]


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-9)


def _about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotation (T, 3, 3) by ``angle`` (T,) rad about unit ``axis`` (T, 3)."""
    return roma.rotvec_to_rotmat(axis * angle[..., None])


def _swing_vector(source: Tensor, target: Tensor) -> Tensor:
    """Rotation vector (T, 3) of the minimal rotation from unit ``source`` to unit ``target``."""
    cross = torch.linalg.cross(source, target)
    sine = cross.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, (source * target).sum(-1, keepdim=True))
    return cross / sine.clamp_min(1e-9) * angle


def _swing(base: Tensor, rest_direction: Tensor, target: Tensor, share: float = 1.0) -> Tensor:
    """``base`` (T, 3, 3) followed by the minimal rotation that points the bone at ``target``.

    Args:
        base: (T, 3, 3) rotation before.
        rest_direction: (3,) the bone in the rest frame.
        target: (T, 3) unit, in the world.
        share: fraction of the minimal rotation that is made.
    """
    current = _unit(base @ rest_direction)
    return roma.rotvec_to_rotmat(share * _swing_vector(current, target)) @ base


def _frame(left: Tensor, up: Tensor) -> Tensor:
    """Rotation (T, 3, 3) with first column ``left`` and third column as near ``up`` as possible."""
    x = _unit(left)
    z = _unit(up - (up * x).sum(-1, keepdim=True) * x)
    return torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)


def _smoothstep(x: Tensor, low: float, high: float) -> Tensor:
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _twist_to_hinge(
    rotation: Tensor, rest_axis: Tensor, bone: Tensor, next_bone: Tensor, limit_deg: float
) -> Tensor:
    """Turn a limb about its own axis so that its hinge bends the way the joints bend.

    The turn fades out as the limb straightens, where the bending plane is not defined.
    """
    normal = torch.linalg.cross(bone, next_bone)
    axis = rotation @ rest_axis
    axis = _unit(axis - (axis * bone).sum(-1, keepdim=True) * bone)
    angle = torch.atan2(
        (torch.linalg.cross(axis, _unit(normal)) * bone).sum(-1), (axis * _unit(normal)).sum(-1)
    )
    limit = float(np.deg2rad(limit_deg))
    angle = angle.clamp(-limit, limit) * _smoothstep(normal.norm(dim=-1), 0.2, 0.6)
    return _about(bone, angle) @ rotation


def _trunk(driver: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations (T, 3, 3) of pelvis, abdomen and chest."""
    left_hip, right_hip = driver[:, 4], driver[:, 1]
    pelvis = _frame(left_hip - right_hip, driver[:, _SPINE] - driver[:, _ROOT])
    chest = _frame(driver[:, 11] - driver[:, 14], driver[:, _THORAX] - driver[:, _SPINE])
    abdomen = _frame(pelvis[..., 0] + chest[..., 0], pelvis[..., 2] + chest[..., 2])
    return pelvis, abdomen, chest


def _arm(rest: Tensor, driver: Tensor, chest: Tensor, side: str) -> dict[str, Tensor]:
    """Rotations of clavicle, upper arm, forearm and hand of one side."""
    shoulder, elbow, wrist = _SHOULDER_ELBOW_WRIST[side]
    upper = _unit(driver[:, elbow] - driver[:, shoulder])
    fore = _unit(driver[:, wrist] - driver[:, elbow])
    rest_upper = _unit(rest[elbow] - rest[shoulder])
    rest_fore = _unit(rest[wrist] - rest[elbow])

    elevation = _smoothstep((upper * chest[..., 2]).sum(-1), -0.4, 1.0)
    sign = -1.0 if side == "left" else 1.0
    angle = sign * float(np.deg2rad(_MAX_CLAVICLE_ELEVATION)) * elevation
    clavicle = _about(chest[..., 1], angle) @ chest

    upper_arm = _swing(clavicle, rest_upper, upper)
    rest_hinge = _unit(torch.linalg.cross(rest_upper, rest_fore))
    upper_arm = _twist_to_hinge(upper_arm, rest_hinge, upper, fore, _MAX_ARM_TWIST)
    forearm = _swing(upper_arm, rest_fore, fore)
    return {
        f"{side}_clavicle": clavicle,
        f"{side}_upper_arm": upper_arm,
        f"{side}_forearm": forearm,
        f"{side}_hand": forearm,
    }


def _leg(rest: Tensor, driver: Tensor, pelvis: Tensor, side: str) -> dict[str, Tensor]:
    """Rotations of thigh, shank and foot of one side."""
    hip, knee, ankle = _HIP_KNEE_ANKLE[side]
    upper = _unit(driver[:, knee] - driver[:, hip])
    lower = _unit(driver[:, ankle] - driver[:, knee])
    thigh = _swing(pelvis, _unit(rest[knee] - rest[hip]), upper)
    hinge = rest.new_tensor([1.0, 0.0, 0.0])
    thigh = _twist_to_hinge(thigh, hinge, upper, lower, _MAX_THIGH_TWIST)
    shank = _swing(thigh, _unit(rest[ankle] - rest[knee]), lower)

    # The joints say nothing of the foot: level near the floor, toes a little down in the air.
    floor = torch.quantile(torch.minimum(driver[:, 3, 2], driver[:, 6, 2]), 0.05)
    contact = 1 - _smoothstep(driver[:, ankle, 2] - floor, 0.04, 0.2)
    up = torch.zeros_like(upper)
    up[:, 2] = 1.0
    level = _swing_vector(shank[..., 2], up)
    angle = level.norm(dim=-1, keepdim=True)
    level = level / angle.clamp_min(1e-9) * angle.clamp(max=np.deg2rad(_MAX_ANKLE_CORRECTION))
    foot = roma.rotvec_to_rotmat(contact[:, None] * level) @ shank
    foot = _about(foot[..., 0], 0.35 * (1 - contact)) @ foot
    return {f"{side}_thigh": thigh, f"{side}_shank": shank, f"{side}_foot": foot}


def _place(rotations: Tensor, pivots: Tensor, root: Tensor) -> Tensor:
    """Pivots in the world (T, S, 3), the first segment's at ``root`` (T, 3)."""
    origins = [root]
    for segment, parent in enumerate(SEGMENT_PARENTS[1:], start=1):
        offset = rotations[:, parent] @ (pivots[segment] - pivots[parent])
        origins.append(origins[parent] + offset)
    return torch.stack(origins, dim=1)


def retarget(
    body: RestBody,
    driver: np.ndarray,
    rng: np.random.Generator,
    centre: tuple[float, float] = (0.0, 0.0),
    max_radius: float = 0.3,
) -> PosedBody:
    """Pose ``body`` like the driving joints, on the floor, near ``centre``.

    Args:
        body: the person.
        driver: (T, 17, 3) metres, world z up, floor near z = 0, Human3.6M order; any build.
        rng: draws where the person looks.
        centre: (2,) metres, the middle of the path on the floor.
        max_radius: metres; longer paths are shrunk about their middle to fit.

    Returns:
        the posed body; its joints are those of the posed body, not of the driver.

    Raises:
        ValueError: if the driver has another shape or values that are not finite.
    """
    if driver.ndim != 3 or driver.shape[1:] != (17, 3) or not len(driver):
        raise ValueError(f"driving joints must be (T, 17, 3) with T > 0, got {driver.shape}")
    if not np.isfinite(driver).all():
        raise ValueError("driving joints hold values that are not finite; repair or drop the clip")
    drive = torch.as_tensor(np.ascontiguousarray(driver), dtype=torch.float64)
    rest = torch.as_tensor(body.joints, dtype=torch.float64)
    pivots = torch.as_tensor(body.pivots, dtype=torch.float64)

    pelvis, abdomen, chest = _trunk(drive)
    turns = {"pelvis": pelvis, "abdomen": abdomen, "chest": chest}
    gaze = _unit(drive[:, _HEAD] - drive[:, _THORAX])
    rest_gaze = _unit(rest[_HEAD] - rest[_THORAX])
    turns["neck"] = _swing(chest, rest_gaze, gaze, share=0.5)
    head = _swing(chest, rest_gaze, gaze)
    turns["head"] = _about(head[..., 2], _look_around(len(drive), rng)) @ head
    for side in ("left", "right"):
        turns.update(_arm(rest, drive, chest, side))
        turns.update(_leg(rest, drive, pelvis, side))
    rotations = torch.stack([turns[name] for name in SEGMENT_NAMES], dim=1)

    root = _root_path(body, drive, centre, max_radius)
    origins = _place(rotations, pivots, root)
    posed = PosedBody(rotations, origins, origins)  # joints follow once the height is known
    lift = _floor_lift(body, posed, drive)
    origins = origins + lift[:, None]
    segments = torch.as_tensor(JOINT_SEGMENTS)
    joints = origins[:, segments] + torch.einsum(
        "tkij,kj->tki", rotations[:, segments], rest - pivots[segments]
    )
    return PosedBody(rotations, origins, joints)


def _look_around(frames: int, rng: np.random.Generator) -> Tensor:
    """Turn of the head (T,) rad: a slow random glance of up to 30 degrees."""
    phase, cycles, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8), rng.uniform(0, 0.5)
    steps = torch.linspace(0, 1, frames, dtype=torch.float64)
    return reach * torch.sin(phase + 2 * np.pi * cycles * steps)


def _root_path(
    body: RestBody, drive: Tensor, centre: tuple[float, float], max_radius: float
) -> Tensor:
    """Pelvis path (T, 3): scaled by leg length, and shrunk to ``max_radius`` about ``centre``."""
    legs = [drive[:, list(chain)] for chain in _HIP_KNEE_ANKLE.values()]
    lengths = [(leg[:, 1:] - leg[:, :-1]).norm(dim=-1).sum(-1).mean() for leg in legs]
    scale = body.leg_length / (sum(lengths) / 2)
    root = drive[:, _ROOT] * scale
    middle = (root[:, :2].amax(0) + root[:, :2].amin(0)) / 2
    planar = root[:, :2] - middle
    reach = planar.norm(dim=-1).max()
    planar = planar * (max_radius / reach).clamp(max=1.0) if reach > 0 else planar
    return torch.cat([planar + planar.new_tensor(centre), root[:, 2:]], dim=-1)


def _floor_lift(body: RestBody, posed: PosedBody, drive: Tensor) -> Tensor:
    """Vertical shift (T, 3) that puts the lowest vertex at the driver's own clearance.

    The driver's clearance is how far its lowest joint is above where the lowest joint usually
    is: nothing on feet, knees or hands, more in a jump. No vertex goes below the floor.
    """
    picked = np.arange(0, len(body.vertices), 7)
    feet = np.flatnonzero(np.isin(body.part_labels, (11, 14)))[::3]
    picked = np.concatenate([picked, feet])
    vertices = skin(
        torch.as_tensor(body.weights[picked], dtype=torch.float64),
        torch.as_tensor(body.vertices[picked], dtype=torch.float64),
        posed.matrices(body),
    )
    lowest = vertices[..., 2].amin(dim=1)
    lowest_joint = drive[..., 2].amin(dim=1)
    clearance = (lowest_joint - torch.quantile(lowest_joint, 0.1) - 0.04).clamp_min(0.0)
    lift = torch.zeros(len(drive), 3, dtype=torch.float64)
    lift[:, 2] = clearance - lowest
    return lift
