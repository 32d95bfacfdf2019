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

    The pyramid knows the body but is coarse (limbs are as wide as its cells); a convolution of the
    image itself says where outlines run.

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
        detail_channels: int = 16,
        hidden: int = 32,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_parts = num_parts
        self.hidden = hidden
        self.detail = nn.Sequential(
            nn.Conv2d(image_channels, detail_channels, 4, 2, 1),
            nn.GroupNorm(4, detail_channels),
            nn.ReLU(inplace=True),
        )
        # Before the maps are enlarged: a convolution there costs a fraction of one behind.
        self.reduce = nn.Conv2d(in_channels, hidden, 1)
        self.fuse = nn.Sequential(
            nn.Conv2d(hidden + detail_channels, hidden, 3, 1, 1),
            nn.GroupNorm(4, hidden),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Conv2d(hidden, num_parts + 1, 1)

    def features(self, pyramid: Tensor, images: Tensor) -> Tensor:
        """(B, hidden, H / 2, W / 2) what the parts are told by; see :meth:`forward`."""
        detail = self.detail(images)
        coarse = F.interpolate(
            self.reduce(pyramid), size=detail.shape[-2:], mode="bilinear", align_corners=False
        )
        return self.fuse(torch.cat([coarse, detail], dim=1))

    def forward(self, pyramid: Tensor, images: Tensor) -> Tensor:
        """Segment crops.

        Args:
            pyramid: (B, C, h, w) features, h <= H / 2.
            images: (B, image_channels, H, W) what the backbone saw.

        Returns:
            (B, P + 1, H / 2, W / 2) logits, background first.
        """
        return self.segment(self.features(pyramid, images))

    def segment(self, features: Tensor) -> Tensor:
        """(B, P + 1, H / 2, W / 2) logits of :meth:`features`."""
        return self.classify(features).float()


@MODELS.register_module()
class SubpixelPartMapHead(BaseModule):
    """Part logits at half the image's resolution from layers at a quarter of it.

    Every cell says what its four pixels show (sub-pixel convolution, Shi et al., CVPR 2016): no
    layer runs at the logits' resolution, which takes half of the time of :class:`PartMapHead`.

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
        detail_channels: int = 32,
        hidden: int = 64,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_parts = num_parts
        self.detail = nn.Sequential(
            nn.Conv2d(image_channels, detail_channels, 6, 4, 1),
            nn.GroupNorm(4, detail_channels),
            nn.ReLU(inplace=True),
        )
        self.fuse = nn.Sequential(
            nn.Conv2d(in_channels + detail_channels, hidden, 3, 1, 1),
            nn.GroupNorm(4, hidden),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Conv2d(hidden, 4 * (num_parts + 1), 1)

    def forward(self, pyramid: Tensor, images: Tensor) -> Tensor:
        """Segment crops.

        Args:
            pyramid: (B, C, h, w) features.
            images: (B, image_channels, H, W) what the backbone saw; H and W divisible by 4.

        Returns:
            (B, P + 1, H / 2, W / 2) logits, background first.

        Raises:
            ValueError: H or W is not divisible by 4.
        """
        height, width = images.shape[-2:]
        if height % 4 or width % 4:
            raise ValueError(
                "SubpixelPartMapHead needs crops whose height and width are multiples of 4, got "
                f"{height} x {width}; change crop.size, or take part_synth.PartMapHead"
            )
        detail = self.detail(images)
        if pyramid.shape[-2:] != detail.shape[-2:]:
            size = detail.shape[-2:]
            pyramid = F.interpolate(pyramid, size=size, mode="bilinear", align_corners=False)
        logits = self.classify(self.fuse(torch.cat([pyramid, detail], dim=1)))
        return F.pixel_shuffle(logits, 2).float()
