"""Distances in the embedding that tell how far apart poses are.

Symbols: B frames, D size of the embedding, K = 17 joints.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.geometry import canonicalise_camera_pose, full_precision
from part_synth.registry import MODELS

from .mining import squared_distances


@MODELS.register_module()
class PoseDistanceLoss(BaseModule):
    """Make the distance of two embeddings proportional to the distance of their labelled poses.

    A metric loss only says which instants differ, not by how much, and only within a person; where
    poses are known, people can be compared too. In the spirit of learning with continuous labels
    (Kim et al., CVPR 2019), here as a plain regression of distances.

    Args:
        scale: Metres of mean joint distance between canonical poses that make an embedding distance
            of 1.
        furthest: Embedding distance beyond which poses are just far apart.
        loss_weight: Weight of the loss.
    """

    def __init__(
        self, scale: float = 0.25, furthest: float = 1.4, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if scale <= 0 or not 0 < furthest <= 2:
            raise ValueError(
                "`scale` must be above 0 metres and `furthest` in (0, 2], the distances of unit "
                f"vectors, got {scale} and {furthest}."
            )
        self.scale = scale
        self.furthest = furthest
        self.loss_weight = loss_weight

    @full_precision
    def forward(self, embedding: Tensor, joints_cam: Tensor, weight: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            embedding: (B, D) unit vectors.
            joints_cam: (B, K, 3) poses, camera frame, metres; anything where the weight is 0.
            weight: (B,) how much a frame's label counts; a pair counts the product.

        Returns:
            Scalar; 0 where fewer than two frames have labels.
        """
        kept = weight > 0
        if kept.sum() < 2:
            return 0 * embedding.sum()
        poses = canonicalise_camera_pose(joints_cam[kept])[0]
        apart = (poses[:, None] - poses).norm(dim=-1).mean(-1)
        wanted = (apart / self.scale).clamp_max(self.furthest)
        # The root's gradient is infinite at 0.
        distances = (squared_distances(embedding[kept], embedding[kept]) + 1e-4).sqrt()
        pairs = weight[kept, None] * weight[kept]
        pairs = pairs - torch.diag(pairs.diagonal())
        return self.loss_weight * ((distances - wanted).abs() * pairs).sum() / pairs.sum()
