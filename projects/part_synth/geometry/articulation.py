"""Limits of the joints: how far each bone may turn from where its parent's frame puts it.

Every limit is one shape on the unit sphere, in the local frames of
:mod:`part_synth.geometry.kinematics`: all directions within ``tolerance`` of a SECTOR. A sector is
the part of the sphere swept by arcs of length ``arc`` that start at ``pole``, the middle one
bending towards ``towards``, the outermost ones ``spread`` to either side of it.

- ``arc = 0``: a cone about the pole.
- ``spread = 0``: a strip along one arc (hip flexion, bending of the trunk).
- otherwise a hinge whose axis may turn about the parent bone (elbow, knee).

What can be judged: 17 joints show no rotation of a bone about itself. An elbow or knee is judged
against the frame that the minimal rotation gives to the upper arm or thigh, and ``spread`` has to
leave room for the true rotation of humerus or femur, which the clinic measures apart. So a knee
bent forwards and an elbow bent backwards are found, an elbow bent sideways only beyond that room.
Likewise the line of the shoulders shows the twist of the trunk and the motion of the shoulder
blades together, and the pelvis is level with the line of the hips and the lowest part of the spine.
Limits depend on one bone each: combinations that are impossible though each part is allowed, and
limbs that run through each other, are not found. The attitude of the whole body against gravity is
never a violation.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._common import any_perpendicular, as_points, full_precision, rotate, safe_normalize
from .kinematics import REST_DIRECTIONS, constants, pelvis_frame
from .skeleton import H36M17


@dataclass(frozen=True)
class JointLimit:
    """Limit of one bone, named by its child joint; see the module's text for the shape.

    Args:
        pole: Direction in the parent's frame (right side of the body; not normalised).
        tolerance: Degrees around the sector, without the margin.
        source: Where the angles come from.
        towards: Direction into which the middle arc bends (not normalised).
        arc: Length of the arcs, degrees.
        spread: Half the angle between the outermost arcs, degrees.
    """

    pole: tuple[float, float, float]
    tolerance: float
    source: str
    towards: tuple[float, float, float] = (0.0, 0.0, -1.0)
    arc: float = 0.0
    spread: float = 0.0


_AAOS = "AAOS, Joint Motion (1965)"
_BOONE = "Boone and Azen, J Bone Joint Surg Am 61 (1979)"
_CDC = "Soucie et al., Haemophilia 17 (2011), the CDC range of motion study"

# Directions for the RIGHT side (x < 0) and the middle; forward is -z, up is -y.
JOINT_LIMITS: dict[str, JointLimit] = {
    "hip": JointLimit(
        pole=(-1.0, 0.0, 0.0),
        tolerance=30.0,
        source="No motion between root and hips; data sets place the root up to 30 degrees above "
        "the line of the hips.",
    ),
    "knee": JointLimit(
        pole=(-0.17, 0.97, -0.17),
        towards=(-0.2, 0.0, -1.0),
        arc=85.0,
        tolerance=40.0,
        source=f"Hip: flexion 120 to 140, extension 10 to 30, abduction 45, adduction 30 ({_AAOS}; "
        f"{_BOONE}; {_CDC}). The arc runs from 10 to 95 degrees of flexion, 10 abducted.",
    ),
    "foot": JointLimit(
        pole=(0.0, 1.0, 0.0),
        towards=(0.0, 0.0, 1.0),
        arc=148.0,
        spread=50.0,
        tolerance=5.0,
        source=f"Knee: flexion 148 to 153, hyperextension up to 5 ({_CDC}). Spread: rotation of "
        f"the hip 45 either way ({_AAOS}), 5 for the valgus of the shank.",
    ),
    "spine": JointLimit(
        pole=(0.0, -1.0, 0.0),
        tolerance=25.0,
        source=f"Only lateral bending against the line of the hips can be seen: most of the 35 "
        f"degrees of the thoracolumbar spine ({_AAOS}).",
    ),
    "thorax": JointLimit(
        pole=(0.0, -1.0, 0.0),
        arc=45.0,
        tolerance=35.0,
        source=f"Thoracolumbar spine: flexion 80, extension 25, lateral bending 35 ({_AAOS}).",
    ),
    "neck_base": JointLimit(
        pole=(0.0, -1.0, 0.0),
        arc=40.0,
        tolerance=45.0,
        source=f"Cervical spine: flexion, extension and lateral bending 45 each ({_AAOS}). The arc "
        "allows for data sets whose neck_base is the nose, 40 degrees forward at rest.",
    ),
    "head": JointLimit(
        pole=(0.0, -1.0, 0.0),
        towards=(0.0, 0.0, 1.0),
        arc=60.0,
        tolerance=40.0,
        source=f"Most of the same 45 degrees ({_AAOS}); the arc, backwards, again allows for a "
        "neck_base at the nose, from where the top of the head is up and back.",
    ),
    "shoulder": JointLimit(
        pole=(-0.89, 0.17, 0.42),
        towards=(-0.42, 0.0, -0.89),
        arc=50.0,
        tolerance=40.0,
        source=f"Twist of the trunk 45 ({_AAOS}) with 15 to 30 of protraction or retraction; "
        "elevation of the clavicle up to 45, depression 15 (sternoclavicular joint, "
        "anatomy texts).",
    ),
    "elbow": JointLimit(
        pole=(-0.72, 0.30, -0.62),
        tolerance=108.0,
        source=f"Shoulder with shoulder blade: flexion 167 to 180, extension 60, abduction 180 "
        f"({_BOONE}; {_AAOS}), horizontal adduction 130. One cone about the middle of that range: "
        "only directions through or behind the neck and upper back are out.",
    ),
    "wrist": JointLimit(
        pole=tuple(REST_DIRECTIONS[H36M17.index("right_wrist") - 1].tolist()),
        arc=145.0,
        spread=95.0,
        tolerance=5.0,
        source=f"Elbow: flexion 143 ({_BOONE}) to 150 ({_AAOS}), hyperextension up to 5 ({_CDC}). "
        f"Spread: rotation of the shoulder, 70 to 90 inwards (hand behind the back), 90 to 104 "
        f"outwards ({_AAOS}; {_BOONE}).",
    ),
}
"""Limits by kind of joint, without margin."""


def _kind(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


@functools.lru_cache(maxsize=16)
def _shapes(margin: float, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """The limits of all 16 bones as tensors on one device, made once.

    Args:
        margin: Degrees added to every tolerance.
        dtype: Floating point type.
        device: Where to.

    Returns:
        Perpendicular unit vectors ``pole``, ``towards``, ``sideways`` (16, 3); ``arc``, ``spread``,
        ``tolerance`` (16,) rad; ``is_pelvic`` (16, 1, 1) bool.
    """
    # A tensor made in inference mode could never be used in training afterwards.
    with torch.inference_mode(False), torch.no_grad():
        names = H36M17.joint_names[1:]
        limits = [JOINT_LIMITS[_kind(name)] for name in names]
        sides = [[-1.0 if name.startswith("left_") else 1.0, 1.0, 1.0] for name in names]
        sides = torch.tensor(sides, dtype=torch.float64)
        pole = torch.tensor([limit.pole for limit in limits], dtype=torch.float64) * sides
        pole = nn.functional.normalize(pole, dim=-1)
        towards = torch.tensor([limit.towards for limit in limits], dtype=torch.float64) * sides
        towards = towards - (towards * pole).sum(-1, keepdim=True) * pole
        towards = nn.functional.normalize(towards, dim=-1)
        degrees = torch.tensor(
            [[limit.arc, limit.spread, limit.tolerance + margin] for limit in limits],
            dtype=torch.float64,
        )
        arc, spread, tolerance = torch.deg2rad(degrees).unbind(-1)
        shapes = {
            "pole": pole,
            "towards": towards,
            "sideways": torch.linalg.cross(pole, towards),
            "arc": arc,
            "spread": spread,
            "tolerance": tolerance,
        }
        shapes = {name: value.to(dtype=dtype, device=device) for name, value in shapes.items()}
        pelvic = torch.tensor([name.endswith(("_hip", "spine")) for name in names])
        return shapes | {"is_pelvic": pelvic[:, None, None].to(device)}


class ArticulationLimits(nn.Module):
    """Limits of all 16 bones of H36M17, batched.

    Args:
        margin: Degrees by which every limit is widened: joint centres of image data sets are not
            those of a goniometer, the frames here are approximations, and people differ.

    Raises:
        ValueError: the margin is no number, negative or so large that nothing would be limited.

    Example:
        >>> limits = ArticulationLimits()
        >>> limits.violation(REST_DIRECTIONS).max()
        tensor(0., dtype=torch.float64)
    """

    def __init__(self, margin: float = 10.0):
        super().__init__()
        is_number = isinstance(margin, int | float) and not isinstance(margin, bool)
        if not is_number or not 0.0 <= margin <= 60.0:
            raise ValueError(f"margin must be between 0 and 60 degrees, got {margin!r}.")
        self.margin = float(margin)

    def extra_repr(self) -> str:
        """Arguments, for ``print(model)``."""
        return f"margin={self.margin}"

    def _in_limit_frames(self, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Unit directions (*, 16, 3) in the frames of the limits, and the frames (*, 16, 3, 3).

        Those are the local frames, but the pelvis frame for hips and spine, whose local frame is
        the body frame and knows nothing of how the pelvis lies.
        """
        const = constants(directions.dtype, directions.device)
        shapes = _shapes(self.margin, directions.dtype, directions.device)
        unit = safe_normalize(directions, const["rest"])
        pelvis = pelvis_frame(unit.index_select(-2, const["stage0"])).unsqueeze(-3)
        identity = torch.eye(3, dtype=unit.dtype, device=unit.device)
        frames = torch.where(shapes["is_pelvic"], pelvis, identity)
        return rotate(frames.mT, unit), frames

    def _nearest(self, unit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nearest points of the sectors, (*, 16, 3), the angles to them and the tolerances, rad."""
        shapes = _shapes(self.margin, unit.dtype, unit.device)
        pole, towards, sideways = shapes["pole"], shapes["towards"], shapes["sideways"]
        arc, spread = shapes["arc"], shapes["spread"]
        along = (unit * pole).sum(-1)
        forward = (unit * towards).sum(-1)
        aside = (unit * sideways).sum(-1)
        # The azimuth decides between regions only, so it needs no gradient.
        azimuth = torch.atan2(aside.detach(), forward.detach())
        edge = azimuth.clamp(-spread, spread)
        inside_spread = (azimuth == edge).unsqueeze(-1)

        # Within the spread the nearest arc is the one through the point, else an outermost one.
        edge_arc = edge.cos().unsqueeze(-1) * towards + edge.sin().unsqueeze(-1) * sideways
        flat = unit - along.unsqueeze(-1) * pole
        own_arc = safe_normalize(flat, edge_arc)
        bend = torch.where(inside_spread, own_arc, edge_arc)

        # Position along that arc, kept between its ends; beyond them the nearer end.
        height = (unit * bend).sum(-1)
        on_axis = height.square() + along.square() < torch.finfo(unit.dtype).eps ** 2
        position = torch.atan2(height, torch.where(on_axis, torch.ones_like(along), along))
        turned = torch.remainder(position, 2 * math.pi)
        end = torch.where(turned < arc / 2 + math.pi, arc, torch.zeros_like(arc))
        position = torch.where(turned <= arc, turned, end).unsqueeze(-1)
        nearest = position.cos() * pole + position.sin() * bend
        return nearest, _angle(unit, nearest.detach()), shapes["tolerance"]

    @full_precision
    def violation(self, directions: Tensor) -> Tensor:
        """How far each bone lies outside its limit.

        Args:
            directions: (*, K-1, 3) in local frames, as :func:`local_directions` gives them. They
                are normalised first.

        Returns:
            (*, K-1) rad, 0 inside; differentiable, the gradient inside is 0.

        Raises:
            ValueError: the trailing shape is not (16, 3).
        """
        directions = as_points(directions, "directions", (16, 3))
        unit, _ = self._in_limit_frames(directions)
        _, angle, tolerance = self._nearest(unit)
        return torch.relu(angle - tolerance)

    @full_precision
    def clamp(self, directions: Tensor) -> Tensor:
        """Move each bone that lies outside its limit to the nearest direction inside.

        Args:
            directions: (*, K-1, 3) in local frames.

        Returns:
            (*, K-1, 3); bones inside as they came, the others as unit vectors on the edge.

        Raises:
            ValueError: the trailing shape is not (16, 3).
        """
        directions = as_points(directions, "directions", (16, 3))
        unit, frames = self._in_limit_frames(directions)
        nearest, angle, tolerance = self._nearest(unit)
        tolerance = tolerance.unsqueeze(-1)
        across = unit - (unit * nearest).sum(-1, keepdim=True) * nearest
        # Opposite to the nearest point every way back is as short; one is chosen.
        across = safe_normalize(across, any_perpendicular(nearest), 1e-6)
        edge = rotate(frames, tolerance.cos() * nearest + tolerance.sin() * across)
        return torch.where(angle.unsqueeze(-1) > tolerance, edge, directions)

    def forward(self, directions: Tensor) -> Tensor:
        """The same as :meth:`violation`."""
        return self.violation(directions)


def _angle(first: Tensor, second: Tensor) -> Tensor:
    """Angle between unit vectors, rad, accurate and with finite gradient at 0 and pi."""
    sine = torch.linalg.vector_norm(torch.linalg.cross(first, second), dim=-1)
    return torch.atan2(sine, (first * second).sum(-1))
