"""The part-map head: which part of the body each pixel of a crop shows, read off the image.

The decoder paints part maps of a *pose*; this head reads them off the *picture*, as system A's
segmentation output must at test time (what the pose gets wrong, the picture still shows). It
learns from painted puppets, whose parts are known, and from real frames. The layers are this
project's choice.

Symbols: B batch, P parts, C channels of the feature pyramid, H x W image size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS


@MODELS.register_module()
class PartMapHead(BaseModule):
    """Part logits at half the image's resolution.

    The pyramid knows the body but is coarse (limbs are as wide as its cells); two convolutions of
    the image itself say where outlines run.

    Args:
        in_channels: C.
        image_channels: Channels of the image as the backbone sees it.
        num_parts: P, without background.
        detail_channels: Channels of the image's own features.
        hidden: Channels of the last layers.
    """

    def __init__(
        self,
        in_channels: int = 64,
        image_channels: int = 3,
        num_parts: int = 14,
        detail_channels: int = 24,
        hidden: int = 48,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_parts = num_parts
        self.detail = nn.Sequential(
            nn.Conv2d(image_channels, detail_channels, 4, 2, 1),
            nn.GroupNorm(4, detail_channels),
            nn.ReLU(inplace=True),
        )
        self.fuse = nn.Sequential(
            nn.Conv2d(in_channels + detail_channels, hidden, 3, 1, 1),
            nn.GroupNorm(4, hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, 1, 1),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Conv2d(hidden, num_parts + 1, 1)

    def forward(self, pyramid: Tensor, images: Tensor) -> Tensor:
        """Segment crops.

        Args:
            pyramid: (B, C, h, w) features, h <= H / 2.
            images: (B, image_channels, H, W) what the backbone saw.

        Returns:
            (B, P + 1, H / 2, W / 2) logits, background first.
        """
        detail = self.detail(images)
        coarse = F.interpolate(
            pyramid, size=detail.shape[-2:], mode="bilinear", align_corners=False
        )
        return self.classify(self.fuse(torch.cat([coarse, detail], dim=1))).float()


# Share of the crop, centre x and y, spread along x and y.
NUM_MOMENTS = 5


def part_moments(logits: Tensor) -> Tensor:
    """How much of the crop each part takes, where it lies and how far it spreads.

    Args:
        logits: (B, P + 1, h, w), background first.

    Returns:
        (B, NUM_MOMENTS * P): the square root of the share, and in crop half-widths the centre and
        the standard deviations, of every part; a part that is not seen lies in the middle.
    """
    height, width = logits.shape[-2:]
    # Half precision would round places to a 256th of the crop.
    with torch.autocast(logits.device.type, enabled=False):
        shares = logits.float().softmax(1)[:, 1:]
        mass = shares.mean((-1, -2))
        xs = (torch.arange(width, device=logits.device) + 0.5) * (2 / width) - 1
        ys = (torch.arange(height, device=logits.device) + 0.5) * (2 / height) - 1
        # A cell's worth of mass at the middle stands for a part that is hardly seen.
        total = mass + 1 / (height * width)
        moments = [mass.sqrt()]
        for profile, places in ((shares.mean(-2), xs), (shares.mean(-1), ys)):
            profile = profile / profile.shape[-1]
            centre = profile @ places / total
            spread = profile @ places.square() / total - centre.square()
            moments += [centre, spread.clamp_min(0).sqrt()]
    return torch.cat(moments, dim=1)
