"""The part-based 2D puppet: a differentiable bridge from a 3D pose to part maps.

Kundu et al. (CVPR 2020) carry one puppet for everybody, whose parts follow the limbs of the
projected pose. The closed-form template used here, a tapered capsule whose signed distance goes
through a sigmoid, is this project's choice: it needs no grid sampling, is smooth everywhere and
works at any resolution.

Symbols: B batch, K = 17 joints, E = extended joints, C capsules, P parts (without background),
H x W map size. Positions are in crop coordinates, [-1, 1] over the crop, x right, y down; depths
are metres behind the pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.geometry import H36M17, PART_NAMES
from part_synth.registry import MODELS

# Joints that the 17-joint skeleton lacks, derived from it by `extend_joints`.
VIRTUAL_JOINTS = (
    "left_hand_tip",
    "right_hand_tip",
    "left_toe",
    "right_toe",
    "face",
    "crown",
    "hair_low",
    "hair_high",
    "left_waist",
    "right_waist",
    "left_chest",
    "right_chest",
)
EXTENDED_JOINTS = tuple(H36M17.joint_names) + VIRTUAL_JOINTS


@dataclass(frozen=True)
class Capsule:
    """One tapered capsule of the puppet.

    Args:
        part: Name of the body part it belongs to, one of ``PART_NAMES``.
        start: Joint of its first end, one of ``EXTENDED_JOINTS``.
        end: Joint of its second end.
        start_radius: Radius at the first end, metres, of a person of mean build.
        end_radius: Radius at the second end, metres.
    """

    part: str
    start: str
    end: str
    start_radius: float
    end_radius: float


# Radii are read off anthropometric girths (e.g. mid-thigh girth 0.53 m -> radius 0.085 m).
DEFAULT_PUPPET: tuple[Capsule, ...] = (
    Capsule("head", "face", "crown", 0.080, 0.085),
    Capsule("head", "hair_low", "hair_high", 0.080, 0.095),
    Capsule("head", "thorax", "face", 0.055, 0.055),
    Capsule("torso", "right_hip", "left_hip", 0.105, 0.105),
    Capsule("torso", "root", "spine", 0.125, 0.120),
    Capsule("torso", "spine", "thorax", 0.120, 0.110),
    Capsule("torso", "right_chest", "left_chest", 0.080, 0.080),
    Capsule("torso", "left_waist", "left_chest", 0.085, 0.095),
    Capsule("torso", "right_waist", "right_chest", 0.085, 0.095),
    Capsule("left_upper_arm", "left_shoulder", "left_elbow", 0.058, 0.044),
    Capsule("left_forearm", "left_elbow", "left_wrist", 0.044, 0.032),
    Capsule("left_hand", "left_wrist", "left_hand_tip", 0.034, 0.036),
    Capsule("right_upper_arm", "right_shoulder", "right_elbow", 0.058, 0.044),
    Capsule("right_forearm", "right_elbow", "right_wrist", 0.044, 0.032),
    Capsule("right_hand", "right_wrist", "right_hand_tip", 0.034, 0.036),
    Capsule("left_thigh", "left_hip", "left_knee", 0.090, 0.062),
    Capsule("left_shank", "left_knee", "left_foot", 0.060, 0.042),
    Capsule("left_foot", "left_foot", "left_toe", 0.045, 0.038),
    Capsule("right_thigh", "right_hip", "right_knee", 0.090, 0.062),
    Capsule("right_shank", "right_knee", "right_foot", 0.060, 0.042),
    Capsule("right_foot", "right_foot", "right_toe", 0.045, 0.038),
)

# Power of the templates in the depth order. Walking puppets of 64 pixels, blur 1: share of the
# person's pixels with another part than the nearest capsule's .53 with power 1, .15 with 8.
_COVER_POWER = 8

_HAND_LENGTH = 0.13  # wrist to mid-finger, metres
_FOOT_LENGTH = 0.17  # ankle to toe, metres


def _unit(vectors: Tensor) -> Tensor:
    # The norm's gradient is not finite at zero: a floor under the square keeps it so.
    return vectors * (vectors.square().sum(-1, keepdim=True) + 1e-8).rsqrt()


def _union(log_phi: Tensor) -> Tensor:
    """Smooth maximum over capsules (B, C, H, W) of log templates: their union (B, H, W).

    1 - prod(1 - phi) would count the soft edges of overlapping capsules several times: walking
    puppets of 64 pixels, blur 1, covered a third more than their capsules do.
    """
    return (torch.logsumexp(_COVER_POWER * log_phi, dim=1) / _COVER_POWER).clamp(max=0).exp()


def extend_joints(joints: Tensor) -> Tensor:
    """Append the virtual joints (hands, toes, face, hair, sides of the trunk) to a pose.

    The formulas are this project's: the face looks where the shoulders face, the toes point
    where the hips face, at right angles to the shank.

    Args:
        joints: (*, 17, 3) joints in any right-handed frame, metres.

    Returns:
        (*, E, 3) the joints followed by ``VIRTUAL_JOINTS``, same frame.
    """
    if joints.shape[-2:] != (17, 3):
        raise ValueError(f"extend_joints expects (*, 17, 3) joints, got {tuple(joints.shape)}")
    (root, r_hip, r_knee, r_foot, l_hip, l_knee, l_foot, spine, thorax, neck, head) = joints[
        ..., :11, :
    ].unbind(-2)
    l_shoulder, l_elbow, l_wrist, r_shoulder, r_elbow, r_wrist = joints[..., 11:, :].unbind(-2)

    def front(left: Tensor, right: Tensor, up: Tensor) -> Tensor:
        # left x up points to the person's front in a right-handed frame.
        return _unit(torch.linalg.cross(_unit(left - right), _unit(up), dim=-1))

    hips_front = front(l_hip, r_hip, thorax - root)
    chest_front = front(l_shoulder, r_shoulder, thorax - spine)

    def toe(knee: Tensor, foot: Tensor) -> Tensor:
        shank = _unit(foot - knee)
        along = (hips_front * shank).sum(-1, keepdim=True)
        # A foot is lower than its ankle: a little of the shank's direction.
        return foot + _FOOT_LENGTH * _unit(_unit(hips_front - along * shank) + 0.35 * shank)

    neck_to_head = head - neck
    virtual = (
        l_wrist + _HAND_LENGTH * _unit(l_wrist - l_elbow),
        r_wrist + _HAND_LENGTH * _unit(r_wrist - r_elbow),
        toe(l_knee, l_foot),
        toe(r_knee, r_foot),
        neck + 0.15 * neck_to_head + 0.02 * chest_front,
        neck + 0.55 * neck_to_head + 0.01 * chest_front,
        neck + 0.20 * neck_to_head - 0.05 * chest_front,
        neck + 0.60 * neck_to_head - 0.03 * chest_front,
        l_hip + 0.15 * (l_shoulder - l_hip) + 0.10 * (root - l_hip),
        r_hip + 0.15 * (r_shoulder - r_hip) + 0.10 * (root - r_hip),
        l_shoulder + 0.22 * (r_shoulder - l_shoulder) + 0.10 * (l_hip - l_shoulder),
        r_shoulder + 0.22 * (l_shoulder - r_shoulder) + 0.10 * (r_hip - r_shoulder),
    )
    return torch.cat([joints, torch.stack(virtual, dim=-2)], dim=-2)


@dataclass
class PartMaps:
    """What the puppet looks like.

    Attributes:
        parts: (B, P + 1, H, W) soft part maps, background first; they sum to one.
        capsules: (B, C, H, W) share of each capsule; they sum to ``foreground``.
        foreground: (B, H, W) soft union of all capsules.
        certain: (B, H, W) 1 outside the uncertain band at the silhouette, else 0.
        shade: (B, H, W) distance from the visible capsule's axis over its radius, 0 on the
            axis, 1 on the outline. This and the next two light painted puppets; they are None
            unless asked for.
        position: (B, H, W) where along the visible capsule's axis, 0 to 1.
        lateral: (B, H, W) signed ``shade``: which side of the axis.
    """

    parts: Tensor
    capsules: Tensor
    foreground: Tensor
    certain: Tensor
    shade: Tensor | None = None
    position: Tensor | None = None
    lateral: Tensor | None = None


@MODELS.register_module()
class Puppet(BaseModule):
    """Render soft part maps of posed puppets, differentiable in the pose and the radii.

    A capsule's template is ``phi = sigmoid(-distance / blur)``. Capsules are ordered softly by
    depth, ``w = phi^n exp(-k d) / sum(phi^n exp(-k d)) * max(phi)``, so that a nearer limb hides a
    farther one; the maximum is the smooth ``(sum phi^n)^(1/n)``, at most 1. The power n = 8 is this
    project's: the tail of phi falls as ``exp(-distance / blur)``, so that with n = 1 an arm 0.3 m
    before the trunk would take all of the trunk's pixels within k * 0.3 = 12 widths of the blur.

    Args:
        capsules: The puppet; :data:`DEFAULT_PUPPET` when absent. Items are :class:`Capsule` or
            dicts with its fields.
        depth_sharpness: k, per metre.
        uncertain_band: Pixels whose foreground lies within this of 0.5 are uncertain.
        learn_radii: Learn a bounded factor per capsule, shared by left and right.
        max_log_radius: Bound of the learned log factor; unbounded radii absorb misaligned poses.
    """

    def __init__(
        self,
        capsules: tuple | list | None = None,
        depth_sharpness: float = 40.0,
        uncertain_band: float = 0.35,
        learn_radii: bool = False,
        max_log_radius: float = 0.3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        table = [c if isinstance(c, Capsule) else Capsule(**c) for c in capsules or DEFAULT_PUPPET]
        for capsule in table:
            for joint in (capsule.start, capsule.end):
                if joint not in EXTENDED_JOINTS:
                    raise ValueError(
                        f"puppet capsule names the joint {joint!r}; known joints are "
                        f"{', '.join(EXTENDED_JOINTS)}"
                    )
            if capsule.part not in PART_NAMES[1:]:
                raise ValueError(
                    f"puppet capsule names the part {capsule.part!r}; known parts are "
                    f"{', '.join(PART_NAMES[1:])}"
                )
            if min(capsule.start_radius, capsule.end_radius) <= 0:
                raise ValueError(f"puppet capsule {capsule} needs radii above zero, in metres")
        self.capsules = tuple(table)
        self.depth_sharpness = depth_sharpness
        self.uncertain_band = uncertain_band
        self.max_log_radius = max_log_radius
        ends = [[EXTENDED_JOINTS.index(c.start), EXTENDED_JOINTS.index(c.end)] for c in table]
        part_of = torch.tensor([PART_NAMES.index(c.part) for c in table])
        self.register_buffer("ends", torch.tensor(ends), persistent=False)
        self.register_buffer("part_of", part_of, persistent=False)
        membership = F.one_hot(part_of - 1, len(PART_NAMES) - 1).float()
        self.register_buffer("membership", membership, persistent=False)  # (C, P)
        radii = torch.tensor([[c.start_radius, c.end_radius] for c in table])
        self.register_buffer("radii", radii, persistent=False)  # (C, 2) metres
        mirrored = [self._mirror_index(i) for i in range(len(table))]
        self.register_buffer("mirror", torch.tensor(mirrored), persistent=False)
        self.log_radii = nn.Parameter(torch.zeros(len(table)), requires_grad=learn_radii)

    def _mirror_index(self, i: int) -> int:
        def swap(name: str) -> str:
            if name.startswith("left_"):
                return "right_" + name[5:]
            return "left_" + name[6:] if name.startswith("right_") else name

        capsule = self.capsules[i]
        wanted = {swap(capsule.start), swap(capsule.end)}
        for j, other in enumerate(self.capsules):
            if {other.start, other.end} == wanted and other.part == swap(capsule.part):
                return j
        return i

    @property
    def num_parts(self) -> int:
        """P, parts without the background."""
        return len(PART_NAMES) - 1

    def capsule_radii(self) -> Tensor:
        """(C, 2) radii in metres, with the learned factors, equal left and right."""
        factors = self.max_log_radius * torch.tanh(self.log_radii / self.max_log_radius)
        factors = 0.5 * (factors + factors[self.mirror])
        return self.radii * factors.exp()[:, None]

    def forward(
        self,
        points: Tensor,
        depths: Tensor,
        pixels_per_metre: Tensor,
        size: tuple[int, int],
        blur: float = 1.0,
        radius_factors: Tensor | None = None,
        details: bool = False,
    ) -> PartMaps:
        """Draw the puppets.

        Args:
            points: (B, E, 2) extended joints in crop coordinates [-1, 1].
            depths: (B, E) metres, larger is farther.
            pixels_per_metre: (B,) crop half-widths per metre at the pelvis.
            size: (H, W) of the maps.
            blur: Width of the template's edge, in map pixels.
            radius_factors: (B, C) factors on the radii, for puppets of varied build.
            details: Fill ``shade``, ``position`` and ``lateral`` too.

        Returns:
            The part maps.
        """
        if points.shape[-2:] != (len(EXTENDED_JOINTS), 2):
            raise ValueError(
                f"Puppet expects points (B, {len(EXTENDED_JOINTS)}, 2) from extend_joints, "
                f"got {tuple(points.shape)}"
            )
        height, width = size
        radii = self.capsule_radii().to(points.dtype) * pixels_per_metre[:, None, None]
        if radius_factors is not None:
            radii = radii * radius_factors[..., None]
        start, end = points[:, self.ends[:, 0]], points[:, self.ends[:, 1]]  # (B, C, 2)
        depth_start, depth_end = depths[:, self.ends[:, 0]], depths[:, self.ends[:, 1]]

        step = 2.0 / width
        xs = (torch.arange(width, device=points.device, dtype=points.dtype) + 0.5) * step - 1
        ys = (torch.arange(height, device=points.device, dtype=points.dtype) + 0.5) * (
            2.0 / height
        ) - 1
        axis = end - start
        squared = axis.square().sum(-1).clamp_min((0.5 * step) ** 2)
        # The projection of a pixel on the axis is affine in x and in y: no (H, W, 2) grid needed.
        ux, uy = (axis / squared[..., None]).unbind(-1)
        sx, sy = start.unbind(-1)
        t = (
            (ux[..., None] * (xs - sx[..., None]))[:, :, None, :]
            + (uy[..., None] * (ys - sy[..., None]))[:, :, :, None]
        ).clamp(0, 1)
        dx = (xs - sx[..., None])[:, :, None, :] - t * axis[..., 0, None, None]
        dy = (ys - sy[..., None])[:, :, :, None] - t * axis[..., 1, None, None]
        radius = radii[..., 0, None, None] + t * (radii[..., 1] - radii[..., 0])[..., None, None]
        distance = (dx * dx + dy * dy + (0.05 * step) ** 2).sqrt()
        logits = (radius - distance) / (blur * step)
        depth = depth_start[..., None, None] + t * (depth_end - depth_start)[..., None, None]

        log_phi = F.logsigmoid(logits)
        visible = torch.softmax(_COVER_POWER * log_phi - self.depth_sharpness * depth, dim=1)
        foreground = _union(log_phi)
        capsules = visible * foreground[:, None]
        # In half precision the parts would no longer sum to one.
        with torch.autocast(points.device.type, enabled=False):
            parts = torch.einsum("bchw,cp->bphw", capsules, self.membership.to(points.dtype))
        parts = torch.cat([1 - foreground[:, None], parts], dim=1)
        with torch.no_grad():
            certain = ((foreground - 0.5).abs() > self.uncertain_band).to(points.dtype)
            surface = {}
            if details:
                share = visible * (distance / radius).clamp(max=1)
                side = torch.sign(dx * axis[..., 1, None, None] - dy * axis[..., 0, None, None])
                surface = {
                    "shade": share.sum(1),
                    "position": (visible * t).sum(1),
                    "lateral": (share * side).sum(1),
                }
        return PartMaps(parts, capsules, foreground, certain, **surface)
