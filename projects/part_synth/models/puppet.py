"""The part-based 2D puppet: a differentiable bridge from a 3D pose to part maps.

Kundu et al. (CVPR 2020) carry one puppet for everybody, whose parts follow the limbs of the
projected pose. The closed-form template used here, a tapered capsule whose signed distance goes
through a sigmoid, is this project's choice: it needs no grid sampling, is smooth everywhere and
works at any resolution.

Symbols: B batch, E extended joints (the skeleton's 17 and the puppet's virtual ones), C capsules,
P parts (without background), H x W map size. Positions are in crop coordinates, [-1, 1] over the
crop, x right, y down; depths are metres behind the pelvis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS

from .puppet_file import CLOTHES, Capsule, load_puppet
from .puppet_tiles import Reach, TileGrid, draw_tiles, within_reach
from .virtual_joints import VirtualJoints, extend_joints

__all__ = ["Capsule", "PartMaps", "Puppet", "extend_joints"]

# Power of the templates in the depth order. Walking puppets of 64 pixels, blur 1: share of the
# person's pixels with another part than the nearest capsule's .53 with power 1, .15 with 8.
_COVER_POWER = 8

# Metres of radius that a limb loses per metre that it lies behind the near plane: a limb is gone
# within a centimetre, and neither value nor gradient jumps.
_FADE = 20.0


def _union(log_phi: Tensor) -> Tensor:
    """Smooth maximum over capsules (B, C, H, W) of log templates: their union (B, H, W).

    1 - prod(1 - phi) would count the soft edges of overlapping capsules several times: walking
    puppets of 64 pixels, blur 1, covered a third more than their capsules do.
    """
    nearest = log_phi.detach().amax(1, keepdim=True)
    # Numbers that are too small for full precision take a processor ten times as long.
    powers = (_COVER_POWER * (log_phi - nearest)).clamp_min(-80).exp().sum(1)
    return (nearest[:, 0] + powers.log() / _COVER_POWER).clamp(max=0).exp()


def _cut_behind(room_start: Tensor, room_end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How much of a limb the near plane cuts off.

    Args:
        room_start: (B, C) metres that the first end lies behind the plane, seen from the camera;
            negative where it can't be seen.
        room_end: (B, C) likewise of the second end.

    Returns:
        (B, C) shares of the limb lost at the first and at the second end, exactly 0 for limbs in
        view; and (B, C) metres that all of the limb lies on the camera's side, 0 for the others.
    """
    hidden_start, hidden_end = F.relu(-room_start), F.relu(-room_end)
    # A centimetre in the denominators: the share of a limb along the plane is not defined.
    cut_start = hidden_start / (hidden_start + F.relu(room_end) + 0.01)
    cut_end = hidden_end / (hidden_end + F.relu(room_start) + 0.01)
    return cut_start, cut_end, torch.minimum(hidden_start, hidden_end)


def _shorten(start: Tensor, end: Tensor, cut_start: Tensor, cut_end: Tensor) -> tuple:
    return start + cut_start * (end - start), end + cut_end * (start - end)


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
        capsules: Capsules instead of the package's own, with the same parts and joints. Items are
            :class:`Capsule` or dicts with its fields.
        depth_sharpness: k, per metre.
        uncertain_band: Pixels whose foreground lies within this of 0.5 are uncertain.
        learn_radii: Learn a bounded factor per capsule, shared by left and right.
        max_log_radius: Bound of the learned log factor; unbounded radii absorb misaligned poses.
        puppet: JSON file of the puppet (docs/puppet.md), a dict of what such a file holds, or
            ``"slim"``; the package's own when absent.
        reach: Widths of the blur beyond its outline within which a capsule is drawn on processors;
            what is left out is at most ``exp(-reach)`` of a template. None draws every capsule
            in every pixel, as GPUs and exported models do.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The puppet has a mistake; the message names the file and the entry.
    """

    def __init__(
        self,
        capsules: tuple | list | None = None,
        depth_sharpness: float = 40.0,
        uncertain_band: float = 0.35,
        learn_radii: bool = False,
        max_log_radius: float = 0.3,
        init_cfg: dict | None = None,
        puppet: str | Path | Mapping | None = None,
        reach: float | None = 9.0,
    ) -> None:
        super().__init__(init_cfg)
        if capsules is not None and puppet is not None:
            raise ValueError("Puppet takes capsules or puppet, not both; puppet has capsules too")
        definition = load_puppet(puppet)
        if capsules is not None:
            definition = definition.with_capsules(capsules)
        table = definition.capsules
        self.source = definition.source
        self.capsules = table
        self.part_names = definition.part_names
        """Names of the parts, background first, in the order of the maps' channels."""
        self.joint_names = definition.joint_names
        """Names of the E extended joints."""
        self.depth_sharpness = depth_sharpness
        self.uncertain_band = uncertain_band
        self.max_log_radius = max_log_radius
        self.reach = reach
        self.extend_joints = VirtualJoints(definition)
        joint = {name: j for j, name in enumerate(self.joint_names)}
        ends = torch.tensor([[joint[c.start], joint[c.end]] for c in table])
        self.register_buffer("ends", ends, persistent=False)
        part_of = torch.tensor([self.part_names.index(c.part) for c in table])
        self.register_buffer("part_of", part_of, persistent=False)
        membership = F.one_hot(part_of - 1, self.num_parts).float()
        self.register_buffer("membership", membership, persistent=False)  # (C, P)
        radii = torch.tensor([[c.start_radius, c.end_radius] for c in table])
        self.register_buffer("radii", radii, persistent=False)  # (C, 2) metres
        clothes = torch.tensor([CLOTHES.index(c.clothes) for c in table])
        self.register_buffer("clothes", clothes, persistent=False)
        mirrored = [
            next((j for j, other in enumerate(table) if other.is_mirror_of(capsule)), i)
            for i, capsule in enumerate(table)
        ]
        self.register_buffer("mirror", torch.tensor(mirrored), persistent=False)
        # Channel of the maps that each channel becomes in the mirror; the background stays.
        part_mirror = torch.arange(self.num_parts + 1)
        part_mirror[part_of] = part_of[self.mirror]
        self.register_buffer("part_mirror", part_mirror, persistent=False)
        self.log_radii = nn.Parameter(torch.zeros(len(table)), requires_grad=learn_radii)

    @property
    def num_parts(self) -> int:
        """P, parts without the background."""
        return len(self.part_names) - 1

    def check_num_parts(self, **counts: int | None) -> None:
        """Compare P with what networks on top of the maps were built for.

        Args:
            **counts: ``num_parts`` by the network's name; None for a network without.

        Raises:
            ValueError: One differs.
        """
        for name, count in counts.items():
            if count not in (None, self.num_parts):
                raise ValueError(
                    f"The {name} is built for num_parts={count}, but {self.source} "
                    f"has {self.num_parts} parts: {', '.join(self.part_names[1:])}. Write "
                    f"num_parts={self.num_parts} into the config of the {name}."
                )

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
        outline: Tensor | None = None,
        details: bool = False,
        nearest: Tensor | None = None,
    ) -> PartMaps:
        """Draw the puppets.

        Args:
            points: (B, E, 2) extended joints in crop coordinates [-1, 1].
            depths: (B, E) metres, larger is farther.
            pixels_per_metre: (B,) crop half-widths per metre at the pelvis.
            size: (H, W) of the maps.
            blur: Width of the template's edge, in map pixels.
            radius_factors: (B, C) factors on the radii, for puppets of varied build.
            outline: (B, 1, H, W) factor on the radii by place, for outlines that no capsule has.
            details: Fill ``shade``, ``position`` and ``lateral`` too.
            nearest: (B,) depth of the camera's near plane, metres, see
                ``CropCamera.nearest_depth``. What lies before it is not drawn: limbs are cut off
                there. None draws everything.

        Returns:
            The part maps.
        """
        if points.shape[-2:] != (len(self.joint_names), 2):
            raise ValueError(
                f"Puppet expects points (B, {len(self.joint_names)}, 2) from its extend_joints, "
                f"got {tuple(points.shape)}"
            )
        radii = self.capsule_radii().to(points.dtype) * pixels_per_metre[:, None, None]
        if radius_factors is not None:
            radii = radii * radius_factors[..., None]
        start, end = points[:, self.ends[:, 0]], points[:, self.ends[:, 1]]  # (B, C, 2)
        depth_start, depth_end = depths[:, self.ends[:, 0]], depths[:, self.ends[:, 1]]
        if nearest is not None:
            plane = nearest[:, None]
            cut_start, cut_end, hidden = _cut_behind(depth_start - plane, depth_end - plane)
            start, end = _shorten(start, end, cut_start[..., None], cut_end[..., None])
            depth_start, depth_end = _shorten(depth_start, depth_end, cut_start, cut_end)
            radii = torch.stack(_shorten(*radii.unbind(-1), cut_start, cut_end), dim=-1)
            radii = radii - (_FADE * hidden * pixels_per_metre[:, None])[..., None]
        # In half precision neither places nor sums of shares would be exact enough.
        with torch.autocast(points.device.type, enabled=False):
            ends = (start, end, radii, depth_start, depth_end)
            capsules, layers = self._draw(ends, size, blur, outline, details)
            # As one product of matrices: einsum would bring the capsules to the end first.
            membership = self.membership.to(points.dtype).T
            parts = (membership @ capsules.flatten(2)).unflatten(2, size)
        foreground = layers[:, 0]
        parts = torch.cat([1 - layers[:, :1], parts], dim=1)
        with torch.no_grad():
            certain = ((foreground - 0.5).abs() > self.uncertain_band).to(points.dtype)
        surface = zip(("shade", "position", "lateral"), layers[:, 1:].unbind(1), strict=False)
        return PartMaps(parts, capsules, foreground, certain, **dict(surface))

    def _draw(
        self,
        ends: tuple[Tensor, ...],
        size: tuple[int, int],
        blur: float,
        outline: Tensor | None,
        details: bool,
    ) -> tuple[Tensor, Tensor]:
        """Shares of the capsules (B, C, H, W); foreground and details (B, 1 or 4, H, W)."""
        start, end, radii, depth_start, depth_end = ends
        # Which tiles there are to draw depends on the pose; an exported graph can't. No puppets
        # have no tiles.
        whole = self.reach is None or start.is_cuda or torch.compiler.is_compiling()
        grid = TileGrid.of(size, whole or len(start) == 0)
        step = 2.0 / size[1]
        unit = blur * step  # crop half-widths; distances are in units of it from here on
        axis = end - start
        squared = axis.square().sum(-1, keepdim=True).clamp_min((0.5 * step) ** 2)
        slope = radii[..., 1:] - radii[..., :1]
        numbers = (start / unit, axis / unit, axis / squared * unit, radii[..., :1] / unit)
        deeper = (depth_end - depth_start)[..., None]
        numbers = (*numbers, slope / unit, depth_start[..., None], deeper)
        table = torch.cat(numbers, dim=-1)  # (B, C, 10)
        down, across = (coordinates / unit for coordinates in grid.axes(start))

        def draw(numbers: Tensor, ys: Tensor, xs: Tensor, factor: Tensor | None) -> tuple:
            numbers = numbers[..., None, None].unbind(2)
            start_x, start_y, x, y, along_x, along_y, radius, slope, depth, deeper = numbers
            # The projection of a pixel on the axis is affine in x and in y: no (H, W, 2) grid.
            from_x, from_y = xs[:, None, None, :] - start_x, ys[:, None, :, None] - start_y
            t = (along_x * from_x + along_y * from_y).clamp(0, 1)
            dx = torch.addcmul(from_x, t, x, value=-1)
            dy = torch.addcmul(from_y, t, y, value=-1)
            distance = (dx * dx + dy * dy + (0.05 / blur) ** 2).sqrt()
            radius = torch.addcmul(radius, t, slope)
            if factor is not None:
                radius = radius * factor
            log_phi = F.logsigmoid(radius - distance)
            nearness = -self.depth_sharpness * torch.addcmul(depth, t, deeper)
            visible = torch.softmax(_COVER_POWER * log_phi + nearness, dim=1)
            foreground = _union(log_phi)[:, None]
            layers = [foreground]
            if details:
                with torch.no_grad():
                    share = visible * (distance / radius.clamp_min(1e-12)).clamp(max=1)
                    side = torch.sign(dx * y - dy * x)
                    layers += [v.sum(1, keepdim=True) for v in (share, visible * t, share * side)]
            return visible * foreground, torch.cat(layers, dim=1)

        if grid.tile == grid.size:
            return draw(table, down, across, outline)
        factors = None if outline is None else grid.cut(outline[:, 0])

        def draw_group(group: Reach) -> tuple[Tensor, Tensor]:
            rows = group.image, group.tile
            return draw(
                table[group.image[:, None], group.capsule],
                down[group.tile],
                across[group.tile],
                None if factors is None else factors[rows][:, None],
            )

        with torch.no_grad():
            largest = radii.amax(-1)
            if outline is not None:
                largest = largest * outline.amax((1, 2, 3))[:, None]
            groups = list(within_reach(grid, start, end, largest, self.reach * unit))
        shape = (len(start), start.shape[1], 4 if details else 1)
        return draw_tiles(grid, groups, draw_group, shape)
