"""Differences of images as a network's features see them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS


@MODELS.register_module()
class RandomFeatures(BaseModule):
    """A convolutional network of random, fixed weights, the same in every process and run.

    Features of random networks tell textures and edges apart too, if less well than ImageNet's
    (Ulyanov et al., CVPR 2018, and Liu et al., ECCV 2018 discuss both); they need no file.

    Args:
        channels: Channels of each level; every level halves the resolution.
        seed: Seed of the weights.
    """

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64), seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.out_channels = tuple(channels)
        for level, (n_in, n_out) in enumerate(zip((3, *channels[:-1]), channels, strict=True)):
            weight = torch.randn(n_out, n_in, 3, 3, generator=generator)
            # He's scale keeps the features' size; without a mean, flat grey gives nothing.
            weight = weight - weight.mean((1, 2, 3), keepdim=True)
            weight = weight * (2 / (9 * n_in)) ** 0.5
            self.register_buffer(f"weight{level}", weight, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map (B, 3, H, W) images in [-1, 1] to feature maps of strides 1, 2, 4, ..."""
        features = []
        for level in range(len(self.out_channels)):
            weight = getattr(self, f"weight{level}")
            images = F.leaky_relu(F.conv2d(images, weight.to(images.dtype), padding=1), 0.2)
            features.append(images)
            images = F.avg_pool2d(images, 2)
        return tuple(features)


@MODELS.register_module()
class PerceptualLoss(BaseModule):
    """Absolute difference of normalised features at every level of a fixed network.

    Args:
        network: Config of a network that maps (B, 3, H, W) images in [-1, 1] to a tuple of feature
            maps, e.g. ``dict(type='part_synth.TorchvisionResNet', depth=18,
            out_indices=(0, 1, 2))`` for ImageNet's features out of a local file; None =
            :class:`RandomFeatures`. Its weights are frozen and not saved with the model.
        loss_weight: Weight of the term.
    """

    def __init__(self, network: dict | None = None, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        built: nn.Module = MODELS.build(network or {"type": "part_synth.RandomFeatures"})
        if hasattr(built, "init_weights"):
            built.init_weights()
        built.requires_grad_(False).eval()
        # Not a submodule: it is no part of what is learned, saved, averaged or counted.
        self._network = (built,)

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Compare (B, 3, H, W) images.

        Args:
            pred: Synthesised images.
            target: Real images.
            weight: (B, 1, H, W) weight of the pixels; each level is divided by its sum.
        """
        network = self._network[0].to(pred.device)
        if weight is None:
            weight = torch.ones_like(pred[:, :1])
        with torch.no_grad():
            wanted = network(target)
        total = pred.new_zeros(())
        for made, real in zip(network(pred), wanted, strict=True):
            # As in Zhang et al. (CVPR 2018): unit length over channels at every pixel.
            gap = F.normalize(made.float(), dim=1, eps=1e-3)
            gap = gap - F.normalize(real.float(), dim=1, eps=1e-3)
            mask = F.adaptive_avg_pool2d(weight, gap.shape[-2:])
            share = (gap.square().sum(1, keepdim=True) * mask).sum((1, 2, 3))
            total = total + (share / mask.sum((1, 2, 3)).clamp_min(1e-3)).mean()
        return self.loss_weight * total / len(wanted)
