"""Predicted poses must look like unpaired ones to a critic."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from part_synth.models.lifting.losses import least_squares_game
from part_synth.registry import MODELS


@MODELS.register_module()
class UnpairedPoseAdversary(BaseModule):
    """A least-squares game between predicted and unpaired poses (Mao et al., ICCV 2017).

    The frozen pose decoder keeps single poses plausible; the game matches their distribution, so
    that predictions do not shrink to the mean. Its critic's weights are learned: name them among
    the ``modules`` of an optimiser that the objective moves, e.g. ``modules=['encoder', 'puppet',
    'objectives.synthesis.adversary']``.

    Args:
        critic: Config of the network that maps (N, K, 3) poses to (N) scores.
        loss_weight: Weight of what fools the critic.
    """

    def __init__(self, critic: dict | None = None, loss_weight: float = 0.1) -> None:
        super().__init__()
        self.critic = MODELS.build(
            critic or {"type": "part_synth.PoseCritic", "dims": 3, "width": 256, "num_blocks": 2}
        )
        self.loss_weight = loss_weight

    def forward(self, joints_body: Tensor, unpaired: Tensor) -> dict[str, Tensor]:
        """Both sides of the game.

        Args:
            joints_body: (N, K, 3) predicted poses, body frame, metres.
            unpaired: (M, K, 3) unpaired poses, likewise.
        """
        fool, judge = least_squares_game(self.critic, unpaired, joints_body)
        return {"loss_adversary": self.loss_weight * fool, "loss_critic": judge}
