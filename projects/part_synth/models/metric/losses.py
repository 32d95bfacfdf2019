"""Losses that pull the views of one instant together and push other instants away.

All take embeddings (N, V, D), N instants seen by V views each, unit vectors, and the mask of
:func:`~part_synth.models.metric.mining.negative_mask`; the mean runs over all ordered pairs of
views. An instant without a negative in the batch takes no part.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.registry import MODELS

from .mining import hardest_negatives, squared_distances


def view_pairs(embeddings: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Anchors and positives: all ordered pairs of different views.

    Args:
        embeddings: (N, V, D).
        negatives: (N, N) bool.

    Returns:
        Anchors and positives (P, N, D), P = V (V - 1).

    Raises:
        ValueError: If there are fewer than two views, or the shapes do not fit.
    """
    if embeddings.ndim != 3 or embeddings.shape[1] < 2:
        raise ValueError(
            "A metric loss compares at least 2 views of every instant, (N, V, D) embeddings; got "
            f"{tuple(embeddings.shape)}. Set num_views of the training set to 2 or more."
        )
    count, views = embeddings.shape[:2]
    if negatives.shape != (count, count):
        raise ValueError(f"negatives must be ({count}, {count}), got {tuple(negatives.shape)}.")
    first, second = torch.nonzero(~torch.eye(views, dtype=torch.bool), as_tuple=True)
    by_view = embeddings.transpose(0, 1)
    return by_view[first.to(by_view.device)], by_view[second.to(by_view.device)]


def _mean_of(values: Tensor, kept: Tensor) -> Tensor:
    """Mean over (P, N) of the instants that count; 0 with a gradient where none does."""
    return (values * kept).sum() / (kept.sum() * len(values)).clamp_min(1)


class MetricLoss(BaseModule):
    """Base of the metric losses.

    Args:
        loss_weight: Weight of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, embeddings: Tensor, negatives: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            embeddings: (N, V, D) unit vectors.
            negatives: (N, N) bool.

        Returns:
            Scalar.
        """
        # Half precision rounds the distances of close vectors to nothing.
        with torch.autocast(embeddings.device.type, enabled=False):
            anchors, positives = view_pairs(embeddings.float(), negatives)
            values = self.pair_losses(anchors, positives, negatives)
            return self.loss_weight * _mean_of(values, negatives.any(-1))

    def pair_losses(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """(P, N) losses of the pairs (P, N, D), (P, N, D); finite also without a negative."""
        raise NotImplementedError


@MODELS.register_module()
class HardestNegativeLoss(MetricLoss):
    """Margin between a pair and its hardest negative in the batch, as in HardNet.

    ``max(0, margin + d(a_i, p_i) - min(min_j d(a_i, p_j), min_j d(a_j, p_i)))`` with Euclidean
    distances (Mishchuk et al., NeurIPS 2017; in this use Mitra et al., arXiv 1908.05293).

    From random weights the hardest negatives pull all embeddings into one point, where the loss is
    the margin and stays there (so it was measured here; FaceNet, CVPR 2015, tells the same). So a
    pair is compared with the mean of its negatives first, and the hardest take over bit by bit.

    Args:
        margin: Margin between Euclidean distances of unit vectors, which are at most 2.
        same_view: Look for negatives in the anchor's and the positive's own view as well. Other
            instants seen by the same camera share its background; without them the embedding may
            keep what tells cameras apart.
        warm_up: Training steps until the hardest negative alone counts; 0 = from the start.
        loss_weight: Weight of the loss.
    """

    def __init__(
        self,
        margin: float = 0.6,
        same_view: bool = True,
        warm_up: int = 1000,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        self.margin = margin
        self.same_view = same_view
        self.warm_up = warm_up
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def pair_losses(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """See :meth:`MetricLoss.pair_losses`."""
        if self.training:
            self.steps += 1
        ramp = min(float(self.steps) / self.warm_up, 1.0) if self.warm_up else 1.0
        squared = squared_distances(anchors, positives)
        hardest = hardest_negatives(squared, negatives)
        if self.same_view:
            for own in (anchors, positives):
                inside = hardest_negatives(squared_distances(own, own), negatives)
                hardest = torch.minimum(hardest, inside)
        # An instant without a negative keeps a finite value; it is weighted by nothing.
        hardest = hardest.where(hardest.isfinite(), hardest.new_tensor(4.0))
        # The root's gradient is infinite at 0, where a pair may well be.
        near = (squared.diagonal(dim1=-2, dim2=-1) + 1e-6).sqrt()
        far = (hardest + 1e-6).sqrt()
        if ramp < 1:
            every = (squared + 1e-6).sqrt() * negatives
            mean = every.sum(-1) / negatives.sum(-1).clamp_min(1)
            far = ramp * far + (1 - ramp) * mean
        return (self.margin + near - far).clamp_min(0)


@MODELS.register_module()
class TripletLoss(MetricLoss):
    """Margin between a pair and every negative, averaged over those that break it.

    Batch-all triplets (Hermans et al., arXiv 1703.07737) of squared distances.

    Args:
        margin: Margin between squared distances of unit vectors, which are at most 4.
        loss_weight: Weight of the loss.
    """

    def __init__(self, margin: float = 0.3, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight)
        self.margin = margin

    def pair_losses(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """See :meth:`MetricLoss.pair_losses`."""
        squared = squared_distances(anchors, positives)
        near = squared.diagonal(dim1=-2, dim2=-1)
        violations = (self.margin + near[..., None] - squared).clamp_min(0) * negatives
        return violations.sum(-1) / (violations > 0).sum(-1).clamp_min(1)


@MODELS.register_module()
class InfoNCELoss(MetricLoss):
    """Cross-entropy of finding the other view among all negatives (van den Oord et al., 2018).

    Args:
        temperature: Divides the cosines.
        loss_weight: Weight of the loss.
    """

    def __init__(self, temperature: float = 0.1, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight)
        if temperature <= 0:
            raise ValueError(f"`temperature` must be above 0, got {temperature}.")
        self.temperature = temperature

    def pair_losses(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """See :meth:`MetricLoss.pair_losses`."""
        cosines = anchors @ positives.mT / self.temperature
        itself = torch.eye(len(negatives), dtype=torch.bool, device=negatives.device)
        allowed = cosines.masked_fill(~(negatives | itself), -torch.inf)
        return -allowed.log_softmax(-1).diagonal(dim1=-2, dim2=-1)
