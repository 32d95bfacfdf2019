"""What every objective has in common."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from mmengine.model import BaseModule
from torch import Tensor

if TYPE_CHECKING:
    from part_synth.models.part_synth import PartSynth


class Objective(BaseModule, metaclass=ABCMeta):
    """One thing to minimise.

    Args:
        optimizers: Names of the optimisers (keys of ``optim_wrapper``) that its step moves.
    """

    def __init__(self, optimizers: Sequence[str] = ("encoder",)) -> None:
        super().__init__()
        self.optimizers = tuple(optimizers)

    def start_epoch(self) -> None:
        """Forget what must not outlive an epoch; called before each."""

    @abstractmethod
    def loss(
        self, model: PartSynth, inputs: dict[str, Tensor], data_samples: list
    ) -> dict[str, Tensor]:
        """Losses of one batch, by name.

        Args:
            model: Its parts are used.
            inputs: ``image`` (G, F, 3, H, W) in [-1, 1] and, for static cameras,
                ``background`` of the same shape.
            data_samples: G samples; only supervised objectives may look at their labels.
        """


def flat_frames(inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Frames and, where they are there, backgrounds (B * F, 3, H, W) of a batch."""
    background = inputs.get("background")
    return inputs["image"].flatten(0, 1), None if background is None else background.flatten(0, 1)


def backgrounds_known(images: Tensor, backgrounds: Tensor | None) -> Tensor:
    """(B,) bool, which of (B, 3, H, W) images have a background other than themselves."""
    if backgrounds is None:
        return torch.zeros(len(images), dtype=torch.bool, device=images.device)
    return (images != backgrounds).flatten(1).any(1)
