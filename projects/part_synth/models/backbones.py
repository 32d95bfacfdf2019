"""Backbones: the small one of the CPU configs, and torchvision's ImageNet networks.

Any mmpose backbone that returns a tuple of feature maps works as well (``type='mmpose.ResNet'``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions with group norm; the first may halve the map."""

    def __init__(self, n_in: int, n_out: int, stride: int, groups: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.GroupNorm(groups, n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.GroupNorm(groups, n_out),
        )
        self.skip = (
            nn.Identity()
            if stride == 1 and n_in == n_out
            else nn.Conv2d(n_in, n_out, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.skip(x))


@MODELS.register_module()
class TinyResNet(BaseModule):
    """A residual network small enough for two processor cores.

    Group norm rather than batch norm: training mixes puppets and real frames, whose statistics
    differ.

    Args:
        stem_channels: Channels of the 5x5 convolution of stride 2.
        channels: Channels of the stages; each halves the map.
        blocks: Residual blocks per stage.
        groups: Groups of the group norms; divides every stage's channels.
        in_channels: Channels of the images; 6 for an encoder with ``use_background``.
    """

    def __init__(
        self,
        stem_channels: int = 24,
        channels: Sequence[int] = (48, 96, 160),
        blocks: Sequence[int] = (1, 1, 1),
        groups: int = 8,
        in_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(blocks) != len(channels):
            raise ValueError(
                "TinyResNet needs one number of blocks per stage, got "
                f"{len(channels)} channels {tuple(channels)} and blocks {tuple(blocks)}"
            )
        self.out_channels = tuple(channels)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem_channels, 5, 2, 2, bias=False),
            nn.GroupNorm(groups, stem_channels),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.ModuleList()
        previous = stem_channels
        for width, depth in zip(channels, blocks, strict=True):
            stage = [_ResidualBlock(previous, width, 2, groups)]
            stage += [_ResidualBlock(width, width, 1, groups) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*stage))
            previous = width

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map (B, in_channels, H, W) images in [-1, 1] to feature maps of strides 4, 8, 16, ..."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)


@MODELS.register_module()
class TorchvisionResNet(BaseModule):
    """A residual network of torchvision as a feature pyramid's trunk.

    Args:
        depth: 18, 34, 50 or 101.
        out_indices: Stages to return, of 0..3 (strides 4, 8, 16, 32).
        checkpoint: Local file of ImageNet weights in torchvision's layout. Absent, the usual
            cache of ``torch.hub`` is looked into; nothing is downloaded.
    """

    # File names of torchvision's ImageNet weights in the cache of torch.hub.
    CACHED: ClassVar[dict[int, str]] = {
        18: "resnet18-f37072fd.pth",
        34: "resnet34-b627a593.pth",
        50: "resnet50-0676ba61.pth",
        101: "resnet101-63fe2227.pth",
    }

    def __init__(
        self,
        depth: int = 50,
        out_indices: Sequence[int] = (1, 2, 3),
        checkpoint: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        import torchvision

        if depth not in self.CACHED:
            raise ValueError(f"TorchvisionResNet depth is one of {list(self.CACHED)}, got {depth}")
        net = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])
        self.out_indices = tuple(out_indices)
        widths = [64, 128, 256, 512] if depth < 50 else [256, 512, 1024, 2048]
        self.out_channels = tuple(widths[i] for i in out_indices)
        self.depth = depth
        self.checkpoint = checkpoint
        # ImageNet statistics, for images that come in [-1, 1].
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), False)

    def init_weights(self) -> None:
        """Load ImageNet weights from a local file or the cache; say so when there are none."""
        path = Path(
            self.checkpoint or Path(torch.hub.get_dir()) / "checkpoints" / self.CACHED[self.depth]
        )
        if not path.is_file():
            if self.checkpoint is not None:
                raise FileNotFoundError(
                    f"No backbone weights at {path}; give a file in torchvision's layout as "
                    "`checkpoint`, or leave it out to start from random weights"
                )
            MMLogger.get_current_instance().warning(
                f"No ImageNet weights for ResNet-{self.depth}: looked for {path}. Training "
                "starts from random weights; put torchvision's file there, or name one as "
                "`checkpoint` of the backbone, to start from ImageNet"
            )
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        stem = {"conv1": "stem.0", "bn1": "stem.1"}
        renamed = {}
        for name, value in state.items():
            head, rest = name.split(".", 1)
            if head in stem:
                renamed[f"{stem[head]}.{rest}"] = value
            elif head.startswith("layer"):
                renamed[f"stages.{int(head[5:]) - 1}.{rest}"] = value
        self.load_state_dict(renamed, strict=True)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map (B, 3, H, W) images in [-1, 1] to the feature maps of ``out_indices``."""
        x = self.stem(((images + 1) / 2 - self.mean) / self.std)
        features = []
        for i, stage in enumerate(self.stages[: max(self.out_indices) + 1]):
            x = stage(x)
            if i in self.out_indices:
                features.append(x)
        return tuple(features)
