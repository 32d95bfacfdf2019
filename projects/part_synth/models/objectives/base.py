"""What every objective has in common."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS

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

    def need_one_of(self, **losses: dict | float | None) -> None:
        """Raise unless one of the losses, configs or weights by name, is there.

        Raises:
            ValueError: All are None or 0.
        """
        if all(loss in (None, 0) for loss in losses.values()):
            *names, last = losses
            raise ValueError(
                f"{type(self).__name__} has no loss and would teach nothing; give it "
                f"{', '.join(names)} or {last}, or leave it out of the model's objectives"
            )

    def need_some(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """The losses, unless none is left.

        Raises:
            ValueError: There is none: what was not left out needs a part head, and the encoder has
                none.
        """
        if not losses:
            raise ValueError(
                f"{type(self).__name__} has nothing to minimise: its reading_loss is None, and its "
                "losses of parts need an encoder with a part_head. Give it a reading_loss or the "
                "encoder a part_head, or leave it out of the schedule"
            )
        return losses

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


def config_of(name: str, **arguments) -> dict:
    """Config of one of this package's losses or painters: the default of an objective's part."""
    return {"type": f"part_synth.{name}", **arguments}


def build_part(config: dict | None) -> nn.Module | None:
    """A part of an objective, None where it is left out."""
    return None if config is None else MODELS.build(config)


def flat_frames(inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Frames and, where they are there, backgrounds (B * F, 3, H, W) of a batch."""
    background = inputs.get("background")
    return inputs["image"].flatten(0, 1), None if background is None else background.flatten(0, 1)


def backgrounds_known(images: Tensor, backgrounds: Tensor | None) -> Tensor:
    """(B,) bool, which of (B, 3, H, W) images have a background other than themselves."""
    if backgrounds is None:
        return torch.zeros(len(images), dtype=torch.bool, device=images.device)
    return (images != backgrounds).flatten(1).any(1)


def beside_the_person(images: Tensor) -> Tensor:
    """Scenes for made people where no empty scene is known.

    The crop's person stands in its middle half. A made person before the frame as it is would stand
    beside a real one that counts as background.

    Args:
        images: (B, 3, H, W) crops.

    Returns:
        (B, 3, H, W) the outer quarters of each, mirrored towards the middle.
    """
    width = images.shape[-1]
    column = torch.arange(width, device=images.device)
    edge = torch.minimum(column, width - 1 - column)
    quarter = (width + 3) // 4
    source = torch.where(edge < quarter, edge, 2 * quarter - 1 - edge).clamp_min(0)
    return images[..., torch.where(column < width / 2, source, width - 1 - source)]


def scenes_of(images: Tensor, backgrounds: Tensor | None) -> Tensor:
    """(B, 3, H, W) what made people are painted before: empty scenes where they are known.

    Args:
        images: (B, 3, H, W) frames.
        backgrounds: (B, 3, H, W) their empty scenes; a frame that stands for its own has none.
    """
    known = backgrounds_known(images, backgrounds)
    if known.all():
        return backgrounds
    beside = beside_the_person(images)
    if backgrounds is None:
        return beside
    return torch.where(known[:, None, None, None], backgrounds, beside)
