"""Shadows that puppets cast onto the floor.

Symbols: B batch, C capsules, E extended joints, S points on a capsule, H x W image size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .puppet import Puppet
from .view import CropCamera

_POINTS = 7
# Standard deviation of the blur, in widths of the image, and what makes a row of points opaque.
_SOFTNESS = 1 / 50
_GAIN = 6.0
# Elevation of the lowest camera that sees the floor, radians.
_LOWEST = 0.05


def floor_shadow(
    puppet: Puppet,
    extended: Tensor,
    camera: CropCamera,
    light: Tensor,
    size: tuple[int, int],
) -> Tensor:
    """Soft shadows of puppets on the floor that their lowest capsule stands on.

    Points on the axes of the capsules slide along the light onto the floor and are splatted there
    at half of the resolution, then blurred. A camera that sees the floor from below, or nearly from
    the side, sees no shadow.

    Args:
        puppet: The puppet.
        extended: (B, E, 3) extended joints, body frame (y down), metres.
        camera: Who sees them.
        light: (B, 3) from the scene to a distant lamp, body frame; y below 0.
        size: (H, W).

    Returns:
        (B, 1, H, W) in [0, 1], 1 where no light of the lamp comes.
    """
    batch = len(extended)
    start, end = extended[:, puppet.ends[:, 0]], extended[:, puppet.ends[:, 1]]
    lowest = torch.stack([start[..., 1], end[..., 1]], dim=-1) + puppet.capsule_radii()
    floor = lowest.flatten(1).amax(1)[:, None, None]
    along = torch.linspace(0, 1, _POINTS, device=extended.device)[:, None]
    points = (start[:, :, None] + along * (end - start)[:, :, None]).flatten(1, 2)  # (B, C S, 3)
    height = floor - points[..., 1:2]
    seen = camera.project(camera.rotate(points + height * (light / light[:, 1:2])[:, None]))
    rows, columns = (max(1, n // 2) for n in size)
    x, y = (((seen + 1) / 2) * seen.new_tensor([columns, rows])).floor().long().unbind(-1)
    above = (camera.elevation > _LOWEST)[:, None]
    inside = above & (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    place = torch.where(inside, y * columns + x, rows * columns)
    # One more cell takes what lies outside.
    filled = extended.new_zeros(batch, rows * columns + 1).scatter_(1, place, 1.0)
    filled = filled[:, :-1].view(batch, 1, rows, columns)
    shadow = (_GAIN * _blurred(filled, _SOFTNESS * columns)).clamp(max=1)
    return F.interpolate(shadow, size, mode="bilinear", align_corners=False)


def _blurred(maps: Tensor, sigma: float) -> Tensor:
    """Maps (B, 1, H, W) under a Gaussian of ``sigma`` pixels."""
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = kernel / kernel.sum()
    maps = F.conv2d(maps, kernel[None, None, :, None], padding=(reach, 0))
    return F.conv2d(maps, kernel[None, None, None, :], padding=(0, reach))
