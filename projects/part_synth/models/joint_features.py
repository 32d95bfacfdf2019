"""What is read off the crop of a person before anybody asks for a pose: joints and features.

A small feature pyramid reads every joint's place and depth from soft-argmax heat maps; the joints
and pooled features together make one vector. The pose encoder of part-guided synthesis and the
embedding of metric learning are two heads on it, so weights can be handed from one to the other.

Symbols: B batch, K = 17 joints, C width of the features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS


@dataclass
class JointFeatures:
    """What the trunk reads off a crop.

    Attributes:
        hidden: (B, C) features of the whole picture.
        heat_points: (B, K, 2) joints read from the heat maps, crop coordinates.
        heat_depths: (B, K) their depths behind the pelvis, metres.
        heat_logits: (B, K, h, w) the heat maps before the softmax; as large as the parts with
            ``fine_heat``.
        part_logits: (B, P + 1, H / 2, W / 2) parts read off the picture, background first; None
            without a part head.
    """

    hidden: Tensor
    heat_points: Tensor
    heat_depths: Tensor
    heat_logits: Tensor
    part_logits: Tensor | None = None


class SoftArgmaxHead(nn.Module):
    """Joint positions and depths as expectations over heat maps.

    Args:
        in_channels: Channels of the features.
        num_joints: K.
        sharpness: Factor on the heat maps before the softmax: flat maps learn slowly, since
            every cell gets a small share of the gradient.
    """

    def __init__(self, in_channels: int, num_joints: int, sharpness: float = 4.0) -> None:
        super().__init__()
        self.num_joints = num_joints
        self.sharpness = sharpness
        self.project = nn.Conv2d(in_channels, 2 * num_joints, 1)

    def forward(
        self, features: Tensor, finer: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read the joints off features.

        Args:
            features: (B, C, h, w).
            finer: (B, K, H, W) what to add to the heat maps, enlarged to its size; depths and
                features are still read where the features are.

        Returns:
            Points (B, K, 2) in [-1, 1], depths (B, K), the features at the joints (B, K, C) and
            the heat maps before the softmax (B, K, h, w), or (B, K, H, W) with ``finer``.
        """
        heat, depth = self.project(features).float().chunk(2, dim=1)
        if finer is not None:
            heat = F.interpolate(heat, finer.shape[-2:], mode="bilinear", align_corners=False)
            heat = heat + finer
        height, width = heat.shape[-2:]
        heat, depth = self.sharpness * heat.flatten(2), depth.flatten(2)
        weights = heat.softmax(-1)
        xs = (torch.arange(width, device=heat.device) + 0.5) * (2 / width) - 1
        ys = (torch.arange(height, device=heat.device) + 0.5) * (2 / height) - 1
        # Half precision would round places to a 256th of the crop.
        with torch.autocast(heat.device.type, enabled=False):
            x = weights @ xs.repeat(height)
            y = weights @ ys.repeat_interleave(width)
        if finer is not None:
            size = features.shape[-2:]
            shares = F.adaptive_avg_pool2d(weights.unflatten(-1, (height, width)), size)
            weights = (shares * (height * width / (size[0] * size[1]))).flatten(2)
        # Reading the depth map only where the joint is makes it a local quantity.
        depths = (weights * depth).sum(-1)
        local = torch.einsum("bkn,bcn->bkc", weights, features.float().flatten(2))
        heat = heat.unflatten(-1, (height, width))
        return torch.stack([x, y], dim=-1), depths, local, heat


class JointFeatureEncoder(BaseModule):
    """Backbone, feature pyramid, heat maps and trunk.

    Args:
        backbone: Config of a backbone that returns a tuple of feature maps and has
            ``out_channels``, or whose channels are given as ``backbone_channels``.
        backbone_channels: Channels of its feature maps, where it does not tell.
        pyramid_channels: Channels of the feature pyramid.
        global_channels: Channels of the pooled feature.
        local_channels: Channels of the feature read at each joint.
        hidden: C, width of the two layers of the trunk.
        num_joints: K.
        use_background: Show the backbone the difference to the static camera's background beside
            the image (6 channels). Zero differences stand for an unknown background.
        part_head: Config of the head that reads part maps off the picture, see
            :class:`~part_synth.models.part_map_head.PartMapHead`, ``in_channels`` is filled in;
            None = no such head.
        background_dropout: Share of training images whose background is withheld, so that the
            encoder works without one too.
        fine_heat: Refine the heat maps with the features of the part head, at its resolution: a
            hand is as wide as a cell of the pyramid.

    Raises:
        ValueError: The backbone or the part head takes other channels than it would be shown, or
            ``fine_heat`` without a part head that has ``features`` and ``segment``.
    """

    def __init__(
        self,
        backbone: dict,
        backbone_channels: tuple[int, ...] | None = None,
        pyramid_channels: int = 64,
        global_channels: int = 256,
        local_channels: int = 16,
        hidden: int = 512,
        num_joints: int = 17,
        use_background: bool = False,
        background_dropout: float = 0.15,
        part_head: dict | None = None,
        fine_heat: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        channels = backbone_channels or self.backbone.out_channels
        self.hidden_size = hidden
        self.use_background = use_background
        self.background_dropout = background_dropout
        # Backbones of other packages seldom keep the number; their first convolution has it.
        first = next((m for m in self.backbone.modules() if isinstance(m, nn.Conv2d)), None)
        wanted = 6 if use_background else 3
        if first is not None and first.in_channels != wanted:
            raise ValueError(
                f"{type(self).__name__} with use_background={use_background} shows its backbone "
                f"{wanted} channels, but that takes {first.in_channels}; set in_channels={wanted} "
                f"of the backbone where it has that argument, or use_background="
                f"{not use_background}"
            )
        self.laterals = nn.ModuleList(nn.Conv2d(c, pyramid_channels, 1) for c in channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(pyramid_channels, pyramid_channels, 3, 1, 1),
            nn.ReLU(inplace=True),
        )
        self.joints_head = SoftArgmaxHead(pyramid_channels, num_joints)
        self.pool = nn.Sequential(
            nn.Conv2d(channels[-1], global_channels, 1), nn.ReLU(inplace=True)
        )
        self.local = nn.Linear(pyramid_channels, local_channels)
        self.part_head = None
        if part_head is not None:
            read = part_head.get("in_channels", pyramid_channels)
            if read != pyramid_channels:
                raise ValueError(
                    f"The part_head reads {read} channels, but {type(self).__name__} has "
                    f"pyramid_channels={pyramid_channels}; leave in_channels of the part_head out"
                )
            self.part_head = MODELS.build({**part_head, "in_channels": pyramid_channels})
        if fine_heat and not hasattr(self.part_head, "features"):
            raise ValueError(
                "fine_heat=True reads heat maps off the features of the part head; give "
                "part_head=dict(type='part_synth.PartMapHead'), got "
                f"{part_head and part_head.get('type')}"
            )
        self.finer = None
        if fine_heat:
            self.finer = nn.Conv2d(self.part_head.hidden, num_joints, 1)
            # The pyramid's maps first, finer ones from there.
            nn.init.zeros_(self.finer.weight)
            nn.init.zeros_(self.finer.bias)
        # Spatial layout is kept: 2x2 average cells, not one.
        self.trunk = nn.Sequential(
            nn.Linear(4 * global_channels + (3 + local_channels) * num_joints, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )

    def _with_background(self, images: Tensor, backgrounds: Tensor | None) -> Tensor:
        if backgrounds is None:
            return torch.cat([images, torch.zeros_like(images)], dim=1)
        difference = images - backgrounds
        if self.training and self.background_dropout > 0:
            shape = (len(images), 1, 1, 1)
            kept = torch.rand(shape, device=images.device) >= self.background_dropout
            difference = difference * kept
        return torch.cat([images, difference], dim=1)

    def read(self, images: Tensor, backgrounds: Tensor | None = None) -> JointFeatures:
        """Read crops.

        Args:
            images: (B, 3, H, W) RGB crops in [-1, 1].
            backgrounds: (B, 3, H, W) the same crops of the empty scene, where it is known; unused
                without ``use_background``.
        """
        if self.use_background:
            images = self._with_background(images, backgrounds)
        features = self.backbone(images)
        pyramid = self.laterals[-1](features[-1])
        for lateral, feature in zip(self.laterals[-2::-1], features[-2::-1], strict=True):
            pyramid = F.interpolate(pyramid, size=feature.shape[-2:], mode="nearest")
            pyramid = pyramid + lateral(feature)
        pyramid = self.smooth(pyramid)
        finer = part_logits = None
        if self.finer is not None:
            seen = self.part_head.features(pyramid, images)
            finer, part_logits = self.finer(seen).float(), self.part_head.segment(seen)
        elif self.part_head is not None:
            part_logits = self.part_head(pyramid, images)
        heat_points, heat_depths, local, heat_logits = self.joints_head(pyramid, finer)
        cells = F.adaptive_avg_pool2d(self.pool(features[-1]), 2).flatten(1)
        heat = torch.cat([heat_points.flatten(1), heat_depths], dim=1)
        # Places and depths are read without gradient: what ties both readings is a loss.
        local = torch.relu(self.local(local)).flatten(1)
        parts = (cells, local.to(cells.dtype), heat.detach().to(cells.dtype))
        hidden = self.trunk(torch.cat(parts, dim=1))
        return JointFeatures(hidden, heat_points, heat_depths, heat_logits, part_logits)
