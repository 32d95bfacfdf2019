"""Appearance of parts, and the decoder that paints a person in a new pose.

Appearance is pooled per part from the source frames with their part maps and repainted with the
target's part maps; the decoder turns the painting into an image and a part segmentation (Kundu et
al., CVPR 2020, as recalled in later work; the layers, and the flat painting in capsule colours
that the decoder refines, are this project's choice). A static camera's median background is fused
at the end.

Pose reaches the decoder only through rendered maps: appearance vectors have no place in the
image, and nothing else of the target frame comes in.

Symbols: G groups of F frames of one person and camera, C capsules, P parts, A appearance
channels, H x W image size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS

from .puppet import PartMaps


@dataclass
class Appearance:
    """Looks of the parts, without any place in the image.

    Attributes:
        colours: (B, C, 3) mean colour of each capsule, in [-1, 1].
        features: (B, P, A) pooled features of each part.
    """

    colours: Tensor
    features: Tensor


@dataclass
class SynthesizedImage:
    """A synthesised frame.

    Attributes:
        image: (B, 3, H, W) in [-1, 1]; the background shows where there is no person.
        person: (B, 3, H, W) the person alone.
        flat: (B, 3, H, W) painting in capsule colours over the background.
        part_logits: (B, P + 1, H, W) part segmentation.
    """

    image: Tensor
    person: Tensor
    flat: Tensor
    part_logits: Tensor


def leave_one_out(totals: Tensor, mass: Tensor, frames: int) -> Tensor:
    """Weighted means over the other frames of a group.

    Args:
        totals: (G * F, N, A) weighted sums, frames of a group next to each other.
        mass: (G * F, N) their weights.
        frames: F; 1 keeps the frame itself.

    Returns:
        (G * F, N, A); what no other frame shows falls back to the mean over visible entries N.
    """
    if frames > 1:
        totals = totals.unflatten(0, (-1, frames))
        mass = mass.unflatten(0, (-1, frames))
        totals = (totals.sum(1, keepdim=True) - totals).flatten(0, 1)
        mass = (mass.sum(1, keepdim=True) - mass).flatten(0, 1)
    fallback = totals.sum(1, keepdim=True) / mass.sum(1)[:, None, None].clamp_min(1e-3)
    known = (mass / (mass + 1e-3))[..., None]
    return known * totals / mass[..., None].clamp_min(1e-3) + (1 - known) * fallback


@MODELS.register_module()
class AppearanceEncoder(BaseModule):
    """Pool the looks of each part from frames and their part maps.

    Args:
        channels: A.
        hidden: Width of its two convolutions.
    """

    def __init__(self, channels: int = 16, hidden: int = 24, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.channels = channels
        self.net = nn.Sequential(
            nn.Conv2d(3, hidden, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 3, 1, 1),
        )

    def forward(self, images: Tensor, maps: PartMaps, frames: int) -> Appearance:
        """Appearance for each frame, taken from the OTHER frames of its group.

        Args:
            images: (G * F, 3, H, W) in [-1, 1], frames of a group next to each other.
            maps: Part maps of the same frames; no gradient flows back through pooling.
            frames: F. 1 takes the frame's own looks.

        Returns:
            The appearance, one entry per frame.
        """
        capsules, parts = maps.capsules.detach(), maps.parts.detach()[:, 1:]
        # Pixels deep inside count more: the outline mixes with what lies behind.
        capsules = capsules * capsules
        features = self.net(images).float()
        # In half precision the sum over a group less a frame's own share would keep some of it.
        with torch.autocast(images.device.type, enabled=False):
            totals = torch.einsum("bchw,brhw->bcr", capsules, images)
            colours = leave_one_out(totals, capsules.sum((-1, -2)), frames)
            small = F.adaptive_avg_pool2d(parts, features.shape[-2:])
            totals = torch.einsum("bphw,bahw->bpa", small, features)
            pooled = leave_one_out(totals, small.sum((-1, -2)), frames)
        return Appearance(colours, pooled)


def _block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, 1),
        nn.GroupNorm(4, n_out),
        nn.ReLU(inplace=True),
    )


@MODELS.register_module()
class SynthesisDecoder(BaseModule):
    """Paint the person from part maps and appearance, and segment the parts.

    A small U-Net refines the flat painting and the template's part maps: its last layers start
    at zero, so that an untrained decoder returns both as they are.

    Args:
        num_parts: P.
        appearance_channels: A.
        channels: Channels at full, half and quarter resolution.
    """

    def __init__(
        self,
        num_parts: int = 14,
        appearance_channels: int = 16,
        channels: tuple[int, int, int] = (16, 32, 48),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_parts = num_parts
        self.appearance_channels = appearance_channels
        full, half, quarter = channels
        self.enter = _block(3 + appearance_channels + num_parts + 1, full)
        self.down1 = nn.Sequential(_block(full, half, 2), _block(half, half))
        self.down2 = nn.Sequential(_block(half, quarter, 2), _block(quarter, quarter))
        self.up1 = _block(quarter + half, half)
        self.up2 = _block(half + full, full)
        self.to_colour = nn.Conv2d(full, 3, 3, 1, 1)
        self.to_parts = nn.Conv2d(full, num_parts + 1, 3, 1, 1)
        self.zero_last_layers()

    def zero_last_layers(self) -> None:
        """Start from the flat painting and the template's part maps."""
        for layer in (self.to_colour, self.to_parts):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def init_weights(self) -> None:
        """Initialise; see :meth:`zero_last_layers`."""
        super().init_weights()
        self.zero_last_layers()

    def forward(
        self, maps: PartMaps, appearance: Appearance, background: Tensor | None = None
    ) -> SynthesizedImage:
        """Synthesise frames.

        Args:
            maps: Part maps of the target poses.
            appearance: Looks of the parts.
            background: (B, 3, H, W) in [-1, 1], or None for a moving camera: the person then
                stands before grey, and only the foreground may be compared.

        Returns:
            The synthesised frames and their part logits.
        """
        shares = maps.capsules / maps.foreground[:, None].clamp_min(1e-3)
        colour = torch.einsum("bchw,bcr->brhw", shares, appearance.colours)
        looks = torch.einsum("bphw,bpa->bahw", maps.parts[:, 1:], appearance.features)
        x0 = self.enter(torch.cat([colour * maps.foreground[:, None], looks, maps.parts], dim=1))
        x1 = self.down1(x0)
        x2 = self.down2(x1)
        y1 = self.up1(torch.cat([F.interpolate(x2, size=x1.shape[-2:]), x1], dim=1))
        y0 = self.up2(torch.cat([F.interpolate(y1, size=x0.shape[-2:]), x0], dim=1))
        person = (colour + self.to_colour(y0).float()).clamp(-1.2, 1.2)
        logits = maps.parts.clamp_min(1e-3).log() + self.to_parts(y0).float()
        alpha = 1 - logits.softmax(1)[:, :1]
        if background is None:
            background = torch.zeros_like(person)
        image = alpha * person + (1 - alpha) * background
        solid = maps.foreground[:, None]
        flat = solid * colour + (1 - solid) * background
        return SynthesizedImage(image, person, flat, logits)
