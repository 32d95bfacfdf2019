"""All directions of the embedding in use.

Symbols: B frames, D size of the embedding.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.geometry import full_precision
from part_synth.registry import MODELS


@MODELS.register_module()
class EmbeddingSpreadLoss(BaseModule):
    """Keep the embedding from collapsing into a few dimensions.

    A metric loss with few negatives is content with the two or three directions in which poses
    differ most. Variance and covariance terms of VICReg (Bardes et al., ICLR 2022), here on unit
    vectors, whose entries have a spread of ``1 / sqrt(D)`` when all directions are used alike.

    Args:
        variance: Weight of what a dimension lacks of that spread, relative to it.
        covariance: Weight of the squared correlations between dimensions, per dimension.
    """

    def __init__(self, variance: float = 1.0, covariance: float = 0.04) -> None:
        super().__init__()
        self.variance = variance
        self.covariance = covariance

    @full_precision
    def forward(self, embedding: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            embedding: (B, D) unit vectors, B > 1.

        Returns:
            Scalar.
        """
        count, size = embedding.shape
        scaled = (embedding - embedding.mean(0)) * size**0.5
        covariance = scaled.mT @ scaled / max(count - 1, 1)
        # The root's gradient is infinite at 0.
        spread = (covariance.diagonal() + 1e-4).sqrt()
        lacking = (1 - spread).clamp_min(0).mean()
        mixed = covariance - torch.diag(covariance.diagonal())
        return self.variance * lacking + self.covariance * mixed.square().sum() / size
