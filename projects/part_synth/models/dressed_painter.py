"""Painted puppets whose clothes look like clothes: whole garments instead of painted capsules.

What told people from puppets, besides their outline, was the surface of their trunks
(docs/results/attempts.md): a puppet's trunk is six capsules, each with its own tint, light and
stripes. Here parts of several capsules are one surface.

Symbols: B batch, C capsules, E extended joints, H x W image size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from part_synth.geometry import H36M17
from part_synth.registry import MODELS

from .floor_shadow import floor_shadow
from .puppet import PartMaps, Puppet
from .puppet_painter import PuppetPainter, _lambert, _light_patches, _uniform
from .view import CropCamera

_PELVIS, _NECK = (H36M17.joint_names.index(name) for name in ("root", "thorax"))
# Share of the image's width over which light on parts of several capsules is evened out.
_EVEN_LIGHT = 1 / 12


def _trunk_coordinates(points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Places (B, H, W) along the line from pelvis (0) to neck (1) in the image, and across it."""
    start = points[:, _PELVIS]
    axis = points[:, _NECK] - start
    # A trunk that points at the camera has hardly any length.
    length = axis.norm(dim=-1).clamp_min(0.1)[:, None, None]
    x, y = (axis / length[..., 0])[..., None, None].unbind(1)
    rows, columns = (torch.linspace(-1, 1, n, device=points.device) for n in size)
    down = rows[:, None] - start[:, 1, None, None]
    right = columns - start[:, 0, None, None]
    return (right * x + down * y) / length, (right * y - down * x) / length


def _average(maps: Tensor, weight: Tensor, window: int) -> Tensor:
    """Means of maps (B, K, H, W) about every pixel, by weights (B, 1, H, W)."""
    mean = lambda values: F.avg_pool2d(values, window, 1, window // 2)  # noqa: E731
    return mean(maps * weight) / mean(weight).clamp_min(1e-3)


@MODELS.register_module()
class DressedPuppetPainter(PuppetPainter):
    """Draw random puppets in whole garments.

    As :class:`PuppetPainter`, but capsules of one part in one cloth have one colour, light runs
    over parts of several capsules as over one body, stripes and checks run through the whole
    trunk, tops end at a hem, and some clothes are printed.

    Args:
        hem: Range of the height at which tops end and bottoms begin, from the pelvis (0) to the
            neck (1).
        prints: Share of puppets with blots of another colour.
        lamp: Share of puppets whose shadow on the floor has their shape; those of the others are
            round, as :class:`PuppetPainter` draws them.
        **painter: As for :class:`PuppetPainter`.
    """

    def __init__(
        self,
        hem: tuple[float, float] = (-0.25, 0.25),
        prints: float = 0.3,
        lamp: float = 0.0,
        **painter,
    ) -> None:
        super().__init__(**painter)
        self.hem = hem
        self.prints = prints
        self.lamp = lamp

    def draw_clothes(self, puppet: Puppet, batch: int) -> Tensor:
        """Random colours (B, C, 3) as in :class:`PuppetPainter`, one for each part and cloth."""
        first: dict[tuple[str, str], int] = {}
        rows = [first.setdefault((c.part, c.clothes), i) for i, c in enumerate(puppet.capsules)]
        return super().draw_clothes(puppet, batch)[:, rows]

    def dress(self, puppet: Puppet, points: Tensor, maps: PartMaps) -> Tensor:
        """Colours (B, 3, H, W) of the person, with a hem between top and bottom."""
        colours = self.draw_clothes(puppet, len(points)).to(maps.capsules)
        wears = [capsule.clothes for capsule in puppet.capsules]
        person = torch.einsum("bchw,bcr->brhw", maps.capsules, colours)
        if not {"top", "bottom"} <= set(wears):
            return person
        along, _ = _trunk_coordinates(points, maps.foreground.shape[-2:])
        hem = _uniform((len(points), 1, 1), *self.hem, along)
        below = (30 * (hem - along)).sigmoid()[:, None]
        tops = [c for c, cloth in enumerate(wears) if cloth == "top"]
        share, bottom = maps.capsules[:, tops], colours[:, wears.index("bottom")]
        top = torch.einsum("bchw,bcr->brhw", share, colours[:, tops])
        return person + below * (share.sum(1, keepdim=True) * bottom[..., None, None] - top)

    def shade(self, puppet: Puppet, points: Tensor, maps: PartMaps) -> Tensor:
        """Light and texture (B, 3, H, W) as a factor on colours."""
        like = maps.foreground
        batch, *size = like.shape
        capsules_of = puppet.membership.sum(0)  # (P,)
        several = maps.parts[:, 1:][:, capsules_of > 1].sum(1, keepdim=True)
        whole = several > 0.5
        fields = torch.stack([maps.shade, maps.lateral], dim=1)
        window = max(3, int(_EVEN_LIGHT * size[1]) // 2 * 2 + 1)
        for _ in range(2):
            fields = torch.where(whole, _average(fields, several, window), fields)
        light = _lambert(*fields.unbind(1))
        light = light * self._pattern(points, maps, whole[:, 0])
        light = light[:, None] * _light_patches(like)
        return light * self._print(batch, size, like)

    def cast_shadow(
        self,
        puppet: Puppet,
        extended: Tensor,
        points: Tensor,
        camera: CropCamera,
        size: tuple[int, int],
    ) -> Tensor:
        """Soft shadow (B, 1, H, W) as a factor on the scene; see :class:`PuppetPainter`."""
        under = super().cast_shadow(puppet, extended, points, camera, size)
        if self.lamp <= 0:
            return under
        batch = (len(extended),)
        azimuth = _uniform(batch, -math.pi, math.pi, extended)
        elevation = _uniform(batch, math.radians(30), math.radians(75), extended)
        across = elevation.cos()
        light = torch.stack([azimuth.cos() * across, -elevation.sin(), azimuth.sin() * across], -1)
        shadow = floor_shadow(puppet, extended, camera, light, size)
        dark = _uniform((*batch, 1, 1, 1), 0.1, self.shadow, extended)
        lit = torch.rand(*batch, 1, 1, 1, device=extended.device) < self.lamp
        # Where feet meet the floor it is a little darker still.
        return torch.where(lit, (1 - dark * shadow) * under.sqrt(), under)

    def _pattern(self, points: Tensor, maps: PartMaps, whole: Tensor) -> Tensor:
        """Stripes along or across limbs and trunk, or checks (B, H, W), as a factor."""
        like = maps.foreground
        batch = len(like)
        trunk_along, trunk_across = _trunk_coordinates(points, like.shape[-2:])
        along = torch.where(whole, trunk_along, maps.position)
        across = torch.where(whole, trunk_across, 0.5 * maps.lateral)
        frequency = _uniform((batch, 1, 1), 3, 14, like)
        kind = _uniform((batch, 1, 1), 0, 1, like)
        rings = torch.sin(2 * math.pi * frequency * along)
        lines = torch.sin(2 * math.pi * frequency * across)
        wave = torch.where(kind < 0.75, lines, 0.7 * (rings + lines))
        wave = torch.where(kind < 0.45, rings, wave)
        wave = (_uniform((batch, 1, 1), 1, 4, like) * wave).clamp(-1, 1)
        return 1 + _uniform((batch, 1, 1), -0.5, 0.4, like).clamp_min(0) * wave

    def _print(self, batch: int, size: list[int], like: Tensor) -> Tensor:
        """Blots of another colour (B, 3, H, W), as a factor."""
        cells = int(torch.randint(10, 33, ()))
        field = torch.randn(batch, 1, cells, cells, device=like.device)
        field = F.interpolate(field, size, mode="bicubic", align_corners=False)
        rarity = _uniform((batch, 1, 1, 1), -0.3, 1.0, like)
        printed = torch.rand(batch, 1, 1, 1, device=like.device) < self.prints
        blots = (6 * (field - rarity)).sigmoid() * printed
        return 1 + blots * (_uniform((batch, 3, 1, 1), 0.35, 1.8, like) - 1)
