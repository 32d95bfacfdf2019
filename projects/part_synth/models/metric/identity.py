"""An adversary that reads who a person is off the embedding, and an encoder that learns to hide it.

Gradient reversal (Ganin and Lempitsky, ICML 2015): one loss, by which the classifier learns to tell
people apart and the encoder, whose gradient has the opposite sign, to make them alike.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(values: Tensor, strength: float = 1.0) -> Tensor:
    """Hand values on as they are, and their gradient back times ``-strength``.

    Args:
        values: Any shape.
        strength: Factor, at least 0; 0 stops the gradient.

    Returns:
        The values.
    """
    return _ReverseGradient.apply(values, strength)


@MODELS.register_module()
class IdentityAdversary(BaseModule):
    """Classifier of people behind a gradient reversal.

    Args:
        num_people: People of the training set.
        embedding_size: D of the embedding.
        hidden: Width of the hidden layer.
        strength: Factor of the reversed gradient.
        loss_weight: Weight of the loss, for classifier and encoder alike.
    """

    def __init__(
        self,
        num_people: int,
        embedding_size: int = 128,
        hidden: int = 128,
        strength: float = 1.0,
        loss_weight: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_people = num_people
        self.strength = strength
        self.loss_weight = loss_weight
        self.classifier = nn.Sequential(
            nn.Linear(embedding_size, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_people),
        )

    def forward(self, embedding: Tensor, people: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of a batch.

        Args:
            embedding: (B, D) unit vectors.
            people: (B,) numbers of the people, below ``num_people``.

        Returns:
            Cross-entropy, weighted, and the share of people named rightly.

        Raises:
            ValueError: A number is too large.
        """
        if len(people) and int(people.max()) >= self.num_people:
            highest = int(people.max())
            raise ValueError(
                f"IdentityAdversary knows {self.num_people} people, but the training set has one "
                f"with number {highest}; set num_people to at least {highest + 1}."
            )
        # Entries near 1, as in CanonicalPoseHead.
        scaled = reverse_gradient(embedding, self.strength) * embedding.shape[-1] ** 0.5
        logits = self.classifier(scaled).float()
        right = (logits.argmax(-1) == people).float().mean()
        return self.loss_weight * F.cross_entropy(logits, people), right
