"""Bring 2D poses of another domain closer to those a lifter is trained for.

Chen et al. (CVPR 2019): 2D poses from elsewhere (other people, cameras, detectors) are corrected by
a network that an adversary compares with the target domain; known is that it exists and is
adversarial. The penalty on the size of the correction and the training ahead of the lifter's are
believed, the rest is this project's choice.

Symbols: M poses, B batch, K joints.
"""

from __future__ import annotations

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.geometry import unit_scale
from part_synth.registry import MODELS

from .losses import least_squares_game
from .networks import PoseCritic, ResidualMLP


@MODELS.register_module()
class KeypointAdapter(BaseModule):
    """A residual correction of 2D poses, learned against a critic.

    Args:
        num_joints: K.
        width: Width of both networks.
        num_blocks: Residual blocks of both networks.
        penalty: Weight of the mean squared correction, in head-root distances.
    """

    def __init__(
        self,
        num_joints: int = 17,
        width: int = 256,
        num_blocks: int = 2,
        penalty: float = 5.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.net = ResidualMLP(2 * num_joints, 2 * num_joints, width, num_blocks)
        # The first correction is none.
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)
        self.critic = PoseCritic(num_joints, width, num_blocks)
        self.penalty = penalty

    def forward(self, points: Tensor) -> Tensor:
        """Correct poses.

        Args:
            points: (B, K, 2) root at the origin, at the size of the lifting frame.

        Returns:
            (B, K, 2) likewise.
        """
        return _placed(points + self._correction(points))

    def _correction(self, points: Tensor) -> Tensor:
        """(B, K, 2) in head-root distances."""
        return self.net(points.flatten(1)).view_as(points)

    def fit(
        self,
        external: Tensor,
        target: Tensor,
        steps: int = 3000,
        batch_size: int = 256,
        lr: float = 5e-4,
        seed: int = 0,
    ) -> None:
        """Learn the correction; the global random state is left as it was.

        Args:
            external: (M, K, 2) poses to correct.
            target: (N, K, 2) poses of the domain to come to.
            steps: Optimiser steps.
            batch_size: Poses of either domain in a step.
            lr: Learning rate, lowered to 0 along a cosine.
            seed: Of the draws.

        Raises:
            ValueError: A set is empty, or shapes differ.
        """
        if external.ndim != 3 or external.shape[1:] != target.shape[1:] or not len(target):
            raise ValueError(
                "Adapter needs external and target poses of shape (M, K, 2), got "
                f"{tuple(external.shape)} and {tuple(target.shape)}."
            )
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.Adam(self.parameters(), lr=lr, betas=(0.5, 0.9))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

        def draw(poses: Tensor) -> Tensor:
            return poses[torch.randint(len(poses), (batch_size,), generator=generator)]

        for _ in range(steps):
            points = draw(external)
            correction = self._correction(points)
            fool, judge = least_squares_game(
                self.critic, draw(target), _placed(points + correction)
            )
            size = correction.square().mean()
            optimizer.zero_grad()
            (fool + judge + self.penalty * size).backward()
            optimizer.step()
            schedule.step()
        MMLogger.get_current_instance().info(
            f"2D adapter fitted: root mean square correction {size.sqrt():.3f} head-root "
            f"distances, critic {judge:.3f} (0.5 where it can't tell the domains apart)."
        )


def _placed(points: Tensor) -> Tensor:
    """(B, K, 2) poses with the root at the origin, at the size of the lifting frame."""
    points = points - points[:, :1]
    return points * unit_scale(points[:, None])[:, 0]
