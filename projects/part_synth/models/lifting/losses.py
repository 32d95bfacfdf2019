"""Losses of the lifting cycle. Each is registered and reads one :class:`LiftingCycle`.

Weights as published are known for Chen et al. (CVPR 2019): 10 for 2D joints a tenth as large as
ours (1 here, with L1), 0.001 for 3D, 1 for either discriminator; and for ElePose (CVPR 2022): 1 for
2D (L1), 3D (L2), deformation and flow, 50 for bones.

Symbols: B clips, T frames, K joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.func import functional_call

from part_synth.geometry import H36M17, bone_lengths
from part_synth.registry import MODELS

from .cycle import LiftingCycle


@MODELS.register_module()
class Cycle2DLoss(BaseModule):
    """The first view must see the pose again that it saw (Chen et al. 2019).

    Args:
        loss_weight: Weight.
        kind: ``'l1'`` or ``'l2'`` (squared).
    """

    def __init__(self, loss_weight: float = 1.0, kind: str = "l1") -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.difference = _difference(kind)

    def forward(self, cycle: LiftingCycle) -> Tensor:
        """Scalar."""
        return self.loss_weight * self.difference(cycle.points_again, cycle.points)


@MODELS.register_module()
class Cycle3DLoss(BaseModule):
    """The turned pose must be lifted from what the new view sees of it (Chen et al. 2019).

    Args:
        loss_weight: Weight.
        kind: ``'l1'`` or ``'l2'`` (squared).
    """

    def __init__(self, loss_weight: float = 1.0, kind: str = "l2") -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.difference = _difference(kind)

    def forward(self, cycle: LiftingCycle) -> Tensor:
        """Scalar."""
        return self.loss_weight * self.difference(cycle.relifted, cycle.turned)


@MODELS.register_module()
class DeformationLoss(BaseModule):
    """The difference of two poses must survive the cycle (ElePose, CVPR 2022).

    Args:
        loss_weight: Weight.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, cycle: LiftingCycle) -> Tensor:
        """Scalar; the poses of a batch are paired by their order."""
        before, after = cycle.joints.flatten(0, 1), cycle.joints_again.flatten(0, 1)
        half = len(before) // 2
        if half == 0:
            raise ValueError(
                "DeformationLoss compares poses of a batch, which has one: raise the batch size."
            )
        change = (before[:half] - before[-half:]) - (after[:half] - after[-half:])
        return self.loss_weight * change.flatten(1).norm(dim=1).mean()


@MODELS.register_module()
class BoneRatioLoss(BaseModule):
    """Bones must be as long, relative to each other, as people's are (ElePose, CVPR 2022).

    Args:
        ratios: Length of each bone, by child joint 1 .. K - 1, in any unit, of which only the
            proportions count; or the path of 3D poses whose mean lengths are taken, see
            :func:`~part_synth.evaluation.baselines.load_reference_poses`. A file that is not there
            yet is read at the first step: the embedded set is made after the model is built.
        loss_weight: Weight.

    Raises:
        ValueError: Not K - 1 positive numbers.
    """

    def __init__(self, ratios: Sequence[float] | str, loss_weight: float = 50.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self._file = ratios if isinstance(ratios, str) and not Path(ratios).is_file() else None
        if self._file is None:
            lengths = _mean_lengths(ratios) if isinstance(ratios, str) else ratios
            self._set(lengths)
        else:
            self.register_buffer("ratios", torch.zeros(H36M17.num_joints - 1), persistent=False)

    def _set(self, ratios: Sequence[float] | Tensor) -> None:
        lengths = torch.as_tensor(ratios, dtype=torch.float32)
        if lengths.shape != (H36M17.num_joints - 1,) or not (lengths > 0).all():
            raise ValueError(
                f"ratios must be {H36M17.num_joints - 1} positive bone lengths by child joint, got "
                f"{ratios}"
            )
        self.register_buffer("ratios", lengths / lengths.mean(), persistent=False)

    def forward(self, cycle: LiftingCycle) -> Tensor:
        """Scalar.

        Raises:
            FileNotFoundError: The file of poses is still not there.
        """
        if self._file is not None:
            self._set(_mean_lengths(self._file).to(self.ratios))
            self._file = None
        lengths = bone_lengths(cycle.joints)
        relative = lengths / lengths.mean(-1, keepdim=True)
        return self.loss_weight * (relative - self.ratios).square().mean()


def _mean_lengths(path: str) -> Tensor:
    """(K - 1,) mean bone lengths of a file of 3D poses, metres."""
    from part_synth.evaluation import load_reference_poses

    return bone_lengths(load_reference_poses(path)).mean(0)


@MODELS.register_module()
class FlowPriorLoss(BaseModule):
    """What the new view sees must be likely under a flow fitted to 2D poses (ElePose, CVPR 2022).

    Args:
        prior: Config of the prior, ``part_synth.FlowPrior``; ``part_synth.LiftingPriorsHook`` fits
            it before training.
        loss_weight: Weight.
    """

    def __init__(self, prior: dict, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.prior = MODELS.build(prior)
        self.loss_weight = loss_weight

    def forward(self, cycle: LiftingCycle) -> Tensor:
        """Scalar."""
        return self.loss_weight * self.prior(cycle.seen.flatten(0, 1))


def least_squares_game(critic: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides of a least-squares game, with separate gradients.

    What fools the critic passes through its detached weights, and the critic judges detached poses:
    one backward pass serves both, with any optimiser.

    Args:
        critic: (N, K, D) to (N) scores, 1 for real.
        real: (M, K, D).
        fake: (N, K, D).

    Returns:
        The loss of what makes ``fake`` and the loss of the critic, scalars.
    """
    frozen = {name: weight.detach() for name, weight in critic.named_parameters()}
    fool = (functional_call(critic, frozen, (fake,)) - 1).square().mean()
    scores = critic(torch.cat([real, fake.detach()]))
    truth, lie = scores[: len(real)], scores[len(real) :]
    return fool, (truth - 1).square().mean() + lie.square().mean()


class AdversarialLoss(BaseModule):
    """A game of the lifter with a critic; see :func:`least_squares_game`.

    Args:
        critic: Config of the network that judges.
        loss_weight: Weight of the lifter's loss.
    """

    def __init__(self, critic: dict, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.critic = MODELS.build(critic)
        self.loss_weight = loss_weight

    def judged(self, points: Tensor) -> Tensor:
        """What the critic sees of (B, T, K, 2) clips."""
        raise NotImplementedError

    def forward(self, cycle: LiftingCycle, real: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides of the game.

        Args:
            cycle: The cycle; ``seen`` is judged.
            real: (B, T, K, 2) real clips, drawn independently of the cycle's.

        Returns:
            The loss of the lifter and the loss of the critic, scalars.
        """
        fool, judge = least_squares_game(self.critic, self.judged(real), self.judged(cycle.seen))
        return self.loss_weight * fool, judge


@MODELS.register_module()
class PoseAdversarialLoss(AdversarialLoss):
    """Single poses of the new view must look like real ones (Chen et al. 2019)."""

    def judged(self, points: Tensor) -> Tensor:
        """(B * T, K, 2) poses."""
        return points.flatten(0, 1)


@MODELS.register_module()
class MotionAdversarialLoss(AdversarialLoss):
    """Differences of successive frames of the new view must look real (Chen et al. 2019)."""

    def judged(self, points: Tensor) -> Tensor:
        """(B * (T - 1), K, 2) differences."""
        if points.shape[1] < 2:
            raise ValueError(
                "MotionAdversarialLoss compares frames of a clip, but clips have 1 frame: set "
                "num_frames=2 of the data set, or remove the loss."
            )
        return points.diff(dim=1).flatten(0, 1)


def _difference(kind: str) -> nn.Module:
    kinds = {"l1": F.l1_loss, "l2": F.mse_loss}
    if kind not in kinds:
        raise ValueError(f"kind must be one of {sorted(kinds)}, got {kind!r}")
    return kinds[kind]
