"""The pose encoder: image crop -> pose code, restricted camera, heat-map reading of the joints.

A code and a camera (pose and camera branches as in arXiv 2006.14107) say what the pose is within
the prior. Beside them a small pyramid reads every joint's place and depth from soft-argmax heat
maps (this project's choice); a loss ties both readings together.

Symbols: B batch, K = 17 joints, D size of the pose code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS

from .view import CropCamera


@dataclass
class PoseEncoding:
    """What the encoder reads off a crop.

    Attributes:
        code: (B, D) pose code in (-1, 1).
        view: (B, 2) sine and cosine of the azimuth, not normalised.
        elevation: (B,) radians.
        roll: (B,) radians.
        scale: (B,) crop half-widths per metre.
        offset: (B, 2) pelvis in crop coordinates.
        heat_points: (B, K, 2) joints read from the heat maps, crop coordinates.
        heat_depths: (B, K) their depths behind the pelvis, metres.
        heat_logits: (B, K, h, w) the heat maps before the softmax.
    """

    code: Tensor
    view: Tensor
    elevation: Tensor
    roll: Tensor
    scale: Tensor
    offset: Tensor
    heat_points: Tensor
    heat_depths: Tensor
    heat_logits: Tensor

    def camera(self, distance: float) -> CropCamera:
        """The restricted camera, at a fixed distance in metres."""
        azimuth = torch.atan2(self.view[:, 0], self.view[:, 1])
        return CropCamera(azimuth, self.elevation, self.roll, self.scale, self.offset, distance)


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

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read the joints off features.

        Args:
            features: (B, C, h, w).

        Returns:
            Points (B, K, 2) in [-1, 1], depths (B, K), the features at the joints (B, K, C) and
            the heat maps before the softmax (B, K, h, w).
        """
        heat, depth = self.project(features).float().flatten(2).chunk(2, dim=1)
        height, width = features.shape[-2:]
        heat = self.sharpness * heat
        weights = heat.softmax(-1)
        xs = (torch.arange(width, device=heat.device) + 0.5) * (2 / width) - 1
        ys = (torch.arange(height, device=heat.device) + 0.5) * (2 / height) - 1
        # Half precision would round places to a 256th of the crop.
        with torch.autocast(heat.device.type, enabled=False):
            x = weights @ xs.repeat(height)
            y = weights @ ys.repeat_interleave(width)
        # Reading the depth map only where the joint is makes it a local quantity.
        depths = (weights * depth).sum(-1)
        local = torch.einsum("bkn,bcn->bkc", weights, features.float().flatten(2))
        heat = heat.unflatten(-1, (height, width))
        return torch.stack([x, y], dim=-1), depths, local, heat


@MODELS.register_module()
class PoseEncoder(BaseModule):
    """Pose and camera of the person in a crop.

    Args:
        backbone: Config of a backbone that returns a tuple of feature maps and has
            ``out_channels``, or whose channels are given as ``backbone_channels``.
        backbone_channels: Channels of its feature maps, where it does not tell.
        pyramid_channels: Channels of the feature pyramid.
        global_channels: Channels of the pooled feature.
        local_channels: Channels of the feature read at each joint.
        hidden: Width of the two layers that give code and camera.
        code_size: D.
        num_joints: K.
        mean_scale: Scale, in half-widths per metre, that the network starts from.
        max_elevation: Bound of the elevation, radians.
        max_roll: Bound of the roll, radians.
        use_background: Show the backbone the difference to the static camera's background beside
            the image (6 channels). Zero differences stand for an unknown background.
        background_dropout: Share of training images whose background is withheld, so that the
            encoder works without one too.
    """

    def __init__(
        self,
        backbone: dict,
        backbone_channels: tuple[int, ...] | None = None,
        pyramid_channels: int = 64,
        global_channels: int = 256,
        local_channels: int = 16,
        hidden: int = 512,
        code_size: int = 32,
        num_joints: int = 17,
        mean_scale: float = 0.8,
        max_elevation: float = math.radians(50),
        max_roll: float = math.radians(15),
        use_background: bool = False,
        background_dropout: float = 0.15,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        channels = backbone_channels or self.backbone.out_channels
        self.code_size = code_size
        self.mean_scale = mean_scale
        self.max_elevation = max_elevation
        self.max_roll = max_roll
        self.use_background = use_background
        self.background_dropout = background_dropout
        # Backbones of other packages seldom keep the number; their first convolution has it.
        first = next((m for m in self.backbone.modules() if isinstance(m, nn.Conv2d)), None)
        wanted = 6 if use_background else 3
        if first is not None and first.in_channels != wanted:
            raise ValueError(
                f"PoseEncoder with use_background={use_background} shows its backbone {wanted} "
                f"channels, but that takes {first.in_channels}; set in_channels={wanted} of the "
                f"backbone where it has that argument, or use_background={not use_background}"
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
        # Spatial layout is kept: 2x2 average cells, not one.
        self.trunk = nn.Sequential(
            nn.Linear(4 * global_channels + (3 + local_channels) * num_joints, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )
        self.code_head = nn.Linear(hidden, code_size)
        self.camera_head = nn.Linear(hidden, 7)

    def init_weights(self) -> None:
        """Initialise; the camera starts frontal, level and centred."""
        super().init_weights()
        nn.init.normal_(self.camera_head.weight, std=0.01)
        nn.init.zeros_(self.camera_head.bias)

    def _with_background(self, images: Tensor, backgrounds: Tensor | None) -> Tensor:
        if backgrounds is None:
            return torch.cat([images, torch.zeros_like(images)], dim=1)
        difference = images - backgrounds
        if self.training and self.background_dropout > 0:
            shape = (len(images), 1, 1, 1)
            kept = torch.rand(shape, device=images.device) >= self.background_dropout
            difference = difference * kept
        return torch.cat([images, difference], dim=1)

    def forward(self, images: Tensor, backgrounds: Tensor | None = None) -> PoseEncoding:
        """Encode crops.

        Args:
            images: (B, 3, H, W) RGB crops in [-1, 1].
            backgrounds: (B, 3, H, W) the same crops of the empty scene, where it is known; unused
                without ``use_background``.

        Returns:
            The encoding, in float32.
        """
        if self.use_background:
            images = self._with_background(images, backgrounds)
        features = self.backbone(images)
        pyramid = self.laterals[-1](features[-1])
        for lateral, feature in zip(self.laterals[-2::-1], features[-2::-1], strict=True):
            pyramid = F.interpolate(pyramid, size=feature.shape[-2:], mode="nearest")
            pyramid = pyramid + lateral(feature)
        heat_points, heat_depths, local, heat_logits = self.joints_head(self.smooth(pyramid))
        cells = F.adaptive_avg_pool2d(self.pool(features[-1]), 2).flatten(1)
        heat = torch.cat([heat_points.flatten(1), heat_depths], dim=1)
        # Places and depths are read without gradient: what ties both readings is a loss.
        local = torch.relu(self.local(local)).flatten(1)
        parts = (cells, local.to(cells.dtype), heat.detach().to(cells.dtype))
        hidden = self.trunk(torch.cat(parts, dim=1))
        code = torch.tanh(self.code_head(hidden).float())
        camera = self.camera_head(hidden).float()
        return PoseEncoding(
            code=code,
            view=camera[:, 0:2] + camera.new_tensor([0.0, 0.1]),
            elevation=self.max_elevation * torch.tanh(camera[:, 2]),
            roll=self.max_roll * torch.tanh(camera[:, 3]),
            scale=self.mean_scale * torch.exp(torch.tanh(camera[:, 4])),
            offset=camera[:, 5:7],
            heat_points=heat_points,
            heat_depths=heat_depths,
            heat_logits=heat_logits,
        )
