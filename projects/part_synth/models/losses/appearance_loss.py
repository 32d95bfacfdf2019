"""A synthesised image must show the looks that it was painted with."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from part_synth.models.puppet import PartMaps
from part_synth.models.synthesizer import Appearance
from part_synth.registry import MODELS


@MODELS.register_module()
class AppearanceCycleLoss(BaseModule):
    """Looks pooled from a synthesised image against those it was given (the appearance cycle).

    Absolute differences, weighted by how much of each capsule and part the image shows. What was
    given gets no gradient, so that it can't move towards what is easily painted.

    Args:
        colours: Weight on the capsules' colours.
        features: Weight on the parts' features.
    """

    def __init__(self, colours: float = 1.0, features: float = 0.1) -> None:
        super().__init__()
        self.colours = colours
        self.features = features

    def forward(self, found: Appearance, given: Appearance, maps: PartMaps) -> Tensor:
        """Compare the looks of B images.

        Args:
            found: Pooled from the synthesised images with ``maps``.
            given: What they were painted with.
            maps: Part maps of the images.
        """
        total = found.colours.new_zeros(())
        rows = (
            (self.colours, found.colours, given.colours, maps.capsules),
            (self.features, found.features, given.features, maps.parts[:, 1:]),
        )
        for weight, one, two, shares in rows:
            mass = shares.detach().sum((-1, -2))
            gap = (one - two.detach()).abs().mean(-1)
            total = total + weight * (gap * mass).sum() / mass.sum().clamp_min(1e-3)
        return total
