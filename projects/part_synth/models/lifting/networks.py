"""Networks of System B: residual MLPs that lift, and that judge, 2D poses.

Chen et al. (CVPR 2019): residual MLPs, four blocks in the lifter and three in the discriminator, of
width 1024, no batch norm in the discriminator. Width and depth are arguments here.

Symbols: B clips, T frames of a clip, K joints, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.registry import MODELS

_SLOPE = 0.01


class ResidualBlock(nn.Module):
    """Two fully connected layers around which the input is led.

    Args:
        width: W.
        dropout: Share of features left out in training.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """(*, W) to (*, W)."""
        inner = self.dropout(F.leaky_relu(self.first(features), _SLOPE))
        return features + self.dropout(F.leaky_relu(self.second(inner), _SLOPE))


class ResidualMLP(nn.Sequential):
    """Fully connected layer, residual blocks, fully connected layer.

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out.
        width: W.
        num_blocks: Residual blocks of two layers each.
        dropout: Share of features left out in training.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 1024,
        num_blocks: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            nn.Linear(in_features, width),
            nn.LeakyReLU(_SLOPE),
            *(ResidualBlock(width, dropout) for _ in range(num_blocks)),
            nn.Linear(width, out_features),
        )


@MODELS.register_module()
class ClipLifter(BaseModule):
    """Depth offsets of all frames of a clip, each seen with its neighbours in time.

    The poses of ``2 * reach + 1`` frames around a frame (the clip's ends are repeated) are read
    together by one residual MLP. Being the same for every frame, it lifts clips of any length.

    Args:
        num_joints: K.
        reach: Neighbours to each side.
        width: W.
        num_blocks: Residual blocks.
        dropout: Share of features left out in training.

    Attributes:
        num_frames: Frames that one pose is lifted from, ``2 * reach + 1``.

    Raises:
        ValueError: ``reach`` is negative.
    """

    def __init__(
        self,
        num_joints: int = 17,
        reach: int = 4,
        width: int = 1024,
        num_blocks: int = 4,
        dropout: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if reach < 0:
            raise ValueError(f"reach must be at least 0 frames, got {reach}.")
        self.reach = reach
        self.num_frames = 2 * reach + 1
        self.net = ResidualMLP(
            2 * num_joints * self.num_frames, num_joints, width, num_blocks, dropout
        )

    def forward(self, points: Tensor) -> Tensor:
        """Lift.

        Args:
            points: (B, T, K, 2) joints in the image of the lifting frame.

        Returns:
            (B, T, K) depth of each joint behind the root, float32.
        """
        flat = points.flatten(-2)
        before = flat[:, :1].expand(-1, self.reach, -1)
        after = flat[:, -1:].expand(-1, self.reach, -1)
        # (B, T, 2K, num_frames)
        windows = torch.cat([before, flat, after], dim=1).unfold(1, self.num_frames, 1)
        return self._offsets(windows.transpose(-1, -2).flatten(-2))

    def middle(self, points: Tensor) -> Tensor:
        """Lift the middle frame alone.

        Args:
            points: (B, num_frames, K, 2) joints in the image of the lifting frame.

        Returns:
            (B, K) depth of each joint behind the root, float32.
        """
        return self._offsets(points.flatten(1))

    def _offsets(self, features: Tensor) -> Tensor:
        """Depths (*, K) behind the root from flat 2D poses (*, 2 K num_frames)."""
        offsets = self.net(features).float()
        return offsets - offsets[..., :1]


@MODELS.register_module()
class FrameLifter(ClipLifter):
    """Depth offsets of single 2D poses: a :class:`ClipLifter` that looks at no neighbours.

    Args:
        num_joints: K.
        width: W.
        num_blocks: Residual blocks.
        dropout: Share of features left out in training.
    """

    def __init__(
        self,
        num_joints: int = 17,
        width: int = 1024,
        num_blocks: int = 4,
        dropout: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_joints, 0, width, num_blocks, dropout, init_cfg)


@MODELS.register_module()
class PoseCritic(BaseModule):
    """How real a pose, or the difference of two, looks: one number.

    Args:
        num_joints: K.
        width: W.
        num_blocks: Residual blocks.
        dims: D, coordinates of a joint: 2 or 3.
    """

    def __init__(
        self,
        num_joints: int = 17,
        width: int = 1024,
        num_blocks: int = 3,
        dims: int = 2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.net = ResidualMLP(dims * num_joints, 1, width, num_blocks)

    def forward(self, points: Tensor) -> Tensor:
        """(*, K, D) poses, or differences of poses, to (*) numbers, float32."""
        return self.net(points.flatten(-2)).squeeze(-1).float()
