"""From where a lifted pose is looked at the second time.

Symbols: B clips, T frames, K joints.
"""

from __future__ import annotations

import math

import torch
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.geometry import view_rotation
from part_synth.registry import MODELS

from .networks import ResidualMLP


def _azimuth(like: Tensor) -> Tensor:
    """(B,) random azimuths, rad."""
    return (torch.rand(len(like), device=like.device) * 2 - 1) * math.pi


@MODELS.register_module()
class UniformViews(BaseModule):
    """Any azimuth, and an elevation within bounds (Chen et al., CVPR 2019).

    Args:
        max_elevation: Bound, degrees.
    """

    def __init__(self, max_elevation: float = 20.0, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.max_elevation = math.radians(max_elevation)

    def forward(self, points: Tensor) -> Tensor:
        """Draw one view for each clip.

        Args:
            points: (B, T, K, 2) 2D poses; only their number counts.

        Returns:
            (B, 3, 3) rotation of the lifting frame.
        """
        azimuth = _azimuth(points)
        elevation = (torch.rand_like(azimuth) * 2 - 1) * self.max_elevation
        return view_rotation(azimuth, elevation)


@MODELS.register_module()
class LearnedElevationViews(BaseModule):
    """Any azimuth about the true vertical, which a network finds (ElePose, CVPR 2022).

    A camera that looks down makes the vertical of its frame differ from gravity. A network predicts
    the camera's elevation from the 2D pose. The new view undoes it, turns about the vertical, and
    looks from an elevation drawn from a normal distribution with the mean and standard deviation of
    the batch's predictions.

    A person seen from above and the depth mirror of that person seen from below look alike but for
    perspective and the way that joints bend. Which of the two a lifter falls into is decided in its
    first steps; in these the elevation is held at ``first_elevation``, because cameras look down
    more often than up.

    Args:
        num_joints: K.
        width: Width of the network.
        num_blocks: Its residual blocks.
        max_elevation: Bound of the predictions and of what is drawn, degrees.
        first_elevation: Elevation in the first steps, and about what an untrained network predicts,
            degrees.
        hold: Training steps for which the elevation is held.

    Raises:
        ValueError: ``first_elevation`` is not within the bound.
    """

    def __init__(
        self,
        num_joints: int = 17,
        width: int = 1024,
        num_blocks: int = 2,
        max_elevation: float = 60.0,
        first_elevation: float = 10.0,
        hold: int = 1000,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not abs(first_elevation) < max_elevation:
            raise ValueError(
                f"first_elevation must lie within max_elevation, got {first_elevation} and "
                f"{max_elevation} degrees."
            )
        self.net = ResidualMLP(2 * num_joints, 1, width, num_blocks)
        self.max_elevation = math.radians(max_elevation)
        self.first_elevation = math.radians(first_elevation)
        self.hold = hold
        # Part of checkpoints: a resumed run holds no longer than an unbroken one.
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def predict(self, points: Tensor) -> Tensor:
        """Elevation of the camera above the horizon for each clip.

        Args:
            points: (B, T, K, 2) 2D poses.

        Returns:
            (B,) rad, positive where the camera looks down.
        """
        raw = self.net(points.flatten(-2)).float().squeeze(-1).mean(-1)
        first = math.atanh(self.first_elevation / self.max_elevation)
        return self.max_elevation * torch.tanh(raw + first)

    def forward(self, points: Tensor) -> Tensor:
        """Draw one view for each clip; see :meth:`UniformViews.forward`."""
        if self.training:
            self.steps += 1
        if self.steps <= self.hold:
            seen = points.new_full((len(points),), self.first_elevation)
        else:
            seen = self.predict(points)
        spread = seen.std(correction=0) if len(seen) > 1 else seen.new_zeros(())
        drawn = seen.mean() + spread * torch.randn_like(seen)
        drawn = drawn.clamp(-self.max_elevation, self.max_elevation)
        level = view_rotation(torch.zeros_like(seen), -seen)
        return view_rotation(_azimuth(points), drawn) @ level
