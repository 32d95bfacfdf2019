"""Losses between synthesised and real frames.

Symbols: B batch, P parts, H x W image size. Images are RGB in [-1, 1].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.models.puppet import PartMaps
from part_synth.registry import MODELS


def foreground_evidence(
    images: Tensor, backgrounds: Tensor, threshold: float = 0.22, softness: float = 0.05
) -> Tensor:
    """Soft foreground from the difference between frames and temporal-median backgrounds.

    It is soft, because clothes may look like the wall behind them and shadows unlike the floor
    below.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        backgrounds: (B, 3, H, W), likewise.
        threshold: Difference (largest over channels) that counts as half.
        softness: Width of the step around it.

    Returns:
        (B, 1, H, W) in (0, 1).
    """
    difference = (images - backgrounds).abs().amax(1, keepdim=True)
    difference = F.avg_pool2d(difference, 3, 1, 1, count_include_pad=False)
    return torch.sigmoid((difference - threshold) / softness)


@MODELS.register_module()
class MultiScaleL1Loss(BaseModule):
    """Absolute difference at several pooling scales.

    Coarse scales carry the gradient of a limb that lies far from where it should.

    Args:
        scales: Pooling factors.
        loss_weight: Weight of the term.
    """

    def __init__(self, scales: tuple[int, ...] = (1, 2, 4), loss_weight: float = 1.0) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Compare (B, 3, H, W) images.

        Args:
            pred: Synthesised images.
            target: Real images.
            weight: (B, 1, H, W) weight of the pixels; the loss is divided by its sum, so that
                small people count as much as large ones.
        """
        difference = pred - target
        if weight is None:
            weight = torch.ones_like(difference[:, :1])
        total = difference.new_zeros(())
        for scale in self.scales:
            d = F.avg_pool2d(difference * weight, scale).abs().mean((1, 2, 3))
            total = total + (d / weight.mean((1, 2, 3)).clamp_min(1e-3)).mean()
        return self.loss_weight * total / len(self.scales)


@MODELS.register_module()
class ForegroundLoss(BaseModule):
    """The puppet must cover what differs from the static background, and nothing else.

    One minus a soft intersection over union at several scales.

    Args:
        threshold: See :func:`foreground_evidence`.
        softness: See there.
        scales: Pooling factors.
        loss_weight: Weight of the term.
    """

    def __init__(
        self,
        threshold: float = 0.22,
        softness: float = 0.05,
        scales: tuple[int, ...] = (1, 4),
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.threshold = threshold
        self.softness = softness
        self.scales = tuple(scales)
        self.loss_weight = loss_weight

    def forward(self, foreground: Tensor, images: Tensor, backgrounds: Tensor) -> Tensor:
        """Compare the puppet's (B, H, W) foreground with the evidence."""
        wanted = foreground_evidence(images, backgrounds, self.threshold, self.softness)
        total = foreground.new_zeros(())
        for scale in self.scales:
            a = F.avg_pool2d(foreground[:, None], scale)
            b = F.avg_pool2d(wanted, scale)
            overlap = torch.minimum(a, b).sum((1, 2, 3))
            union = torch.maximum(a, b).sum((1, 2, 3))
            total = total + (1 - overlap / union.clamp_min(1e-3)).mean()
        return self.loss_weight * total / len(self.scales)


@MODELS.register_module()
class PartSegmentationLoss(BaseModule):
    """Cross-entropy of the decoder's segmentation with the rendered part maps.

    Pixels in the uncertain band at the silhouette do not count.

    Args:
        loss_weight: Weight of the term.
    """

    def __init__(self, loss_weight: float = 0.5) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, part_logits: Tensor, maps: PartMaps) -> Tensor:
        """Compare (B, P + 1, H, W) logits with the maps, which receive no gradient."""
        target = maps.parts.detach()
        entropy = -(target * part_logits.log_softmax(1)).sum(1)
        return self.loss_weight * (entropy * maps.certain).sum() / maps.certain.sum().clamp_min(1)


@MODELS.register_module()
class PartReadingLoss(BaseModule):
    """Cross-entropy between the parts read off a picture and the parts that it shows.

    Args:
        loss_weight: Weight of the term.
    """

    def __init__(self, loss_weight: float = 3.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, part_logits: Tensor, part_labels: Tensor) -> Tensor:
        """Compare (B, P + 1, h, w) logits with (B, h, w) labels, 0 for background."""
        return self.loss_weight * F.cross_entropy(part_logits, part_labels.long())


@MODELS.register_module()
class PartAgreementLoss(BaseModule):
    """The puppet of the pose must show the parts that the picture shows.

    Cross-entropy of the rendered maps with the parts that the encoder's head reads off the
    picture, which get no gradient: they pull limbs to where the picture has them.

    Args:
        loss_weight: Weight of the term.
        floor: Least share of a part in the rendered maps; bounds the pull of a single pixel.
    """

    def __init__(self, loss_weight: float = 1.0, floor: float = 0.02) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.floor = floor

    def forward(self, part_logits: Tensor, maps: PartMaps) -> Tensor:
        """Compare (B, P + 1, h, w) logits with the maps, pooled to their size."""
        read = part_logits.detach().softmax(1)
        drawn = F.adaptive_avg_pool2d(maps.parts, read.shape[-2:])
        entropy = -(read * drawn.clamp_min(self.floor).log()).sum(1)
        # Per pixel of the person: small people count as much as large ones.
        person = (1 - read[:, 0]).sum((-1, -2)).clamp_min(1)
        return self.loss_weight * (entropy.sum((-1, -2)) / person).mean()


@MODELS.register_module()
class ForegroundReadingLoss(BaseModule):
    """The parts read off a picture must cover what differs from the static background.

    Args:
        threshold: See :func:`foreground_evidence`.
        softness: See there.
        loss_weight: Weight of the term.
    """

    def __init__(
        self, threshold: float = 0.22, softness: float = 0.05, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.threshold = threshold
        self.softness = softness
        self.loss_weight = loss_weight

    def forward(self, part_logits: Tensor, images: Tensor, backgrounds: Tensor) -> Tensor:
        """Compare (B, P + 1, h, w) logits with (B, 3, H, W) frames and their backgrounds."""
        wanted = foreground_evidence(images, backgrounds, self.threshold, self.softness)
        wanted = F.adaptive_avg_pool2d(wanted, part_logits.shape[-2:])[:, 0]
        logits = part_logits[:, 1:].logsumexp(1) - part_logits[:, 0]
        return self.loss_weight * F.binary_cross_entropy_with_logits(logits, wanted)
