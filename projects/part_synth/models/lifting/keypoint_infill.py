"""Fill the missing joints of 2D poses with what a Gaussian over 2D poses expects of them.

This project's own way. A complete pose is normalised by taking away its centroid and dividing by
its size (root mean square distance of the joints from the centroid); mean and covariance of
normalised poses are all that is learned. An incomplete pose is taken as ``scale * normalised +
shift`` with unknown scale and shift: generalised least squares of its visible joints against the
mean pose, weighted by the inverse of their covariance, gives both, and the missing joints are the
conditional expectation. That is closed form and exact for a Gaussian; normalising the filled pose
and filling it again changed held-out errors by less than 1 %, ordinary least squares doubled them.

Symbols: M poses, B batch, K = 17 joints in Human3.6M order. 2D poses: x right, y down, any units.
"""

from __future__ import annotations

import torch
from mmengine.logging import MMLogger
from torch import Tensor, nn

from part_synth.geometry._common import as_points, full_precision
from part_synth.registry import MODELS

_NUM_JOINTS = 17
# Fewer poses than this say nothing about the covariance of 34 coordinates.
MIN_POSES = 100
# Six coordinates against the three unknowns of scale and shift.
_MIN_VISIBLE = 3
# Joints that spread less than this share of their coordinates lie at one point.
_ONE_POINT = 1e-6


@MODELS.register_module()
class KeypointInfill(nn.Module):
    """Conditional expectation of missing joints, given the visible ones.

    Args:
        ridge: Variance added to each visible coordinate, as a share of the mean variance: how
            little detected joints are trusted. On views of motion capture with detection noise of
            2 to 5 % of a pose's size, 0.01 to 0.03 was best, and without noise it costs little.
    """

    def __init__(self, ridge: float = 0.01) -> None:
        super().__init__()
        if not ridge > 0:
            raise ValueError(
                f"ridge must be positive, got {ridge}: normalised poses vary in fewer directions "
                "than they have coordinates."
            )
        self.ridge = ridge
        # Set by `fit`; of normalised poses, without the ridge.
        self.register_buffer("mean", torch.zeros(_NUM_JOINTS, 2))
        self.register_buffer("covariance", torch.zeros(2 * _NUM_JOINTS, 2 * _NUM_JOINTS))

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run or a fitted state was loaded."""
        return bool(self.covariance.diagonal().sum() > 0)

    def fit(self, points: Tensor) -> None:
        """Estimate mean and covariance of normalised poses.

        Args:
            points: (M, K, 2) complete 2D poses, each in any units.

        Raises:
            ValueError: another shape, fewer than 100 poses, values that are not finite, or a pose
                whose joints all lie at one point.
        """
        if points.ndim != 3 or points.shape[1:] != (_NUM_JOINTS, 2):
            raise ValueError(
                "KeypointInfill.fit expects complete 2D poses (M, 17, 2), got "
                f"{tuple(points.shape)}."
            )
        if len(points) < MIN_POSES:
            raise ValueError(
                f"The training set has {len(points)} complete 2D poses (all 17 joints seen), too "
                f"few to learn from: at least {MIN_POSES} are needed. Give more or longer videos, "
                "or more frames of each (prepare_videos.py --fps 0 keeps every frame)."
            )
        points = points.detach().to(self.mean.device, torch.float64)
        centred = points - points.mean(1, keepdim=True)
        size = centred.square().sum(-1).mean(-1).sqrt()
        if not (points.isfinite().all() and (size > 0).all()):
            raise ValueError(
                "KeypointInfill.fit expects complete poses, got some with values that are not "
                "finite or with all joints at one point; leave those out."
            )
        normalised = centred / size[:, None, None]
        self.mean.copy_(normalised.mean(0))
        self.covariance.copy_(torch.cov(normalised.flatten(1).mT))
        MMLogger.get_current_instance().info(f"Keypoint infill fitted to {len(points)} 2D poses")

    @full_precision
    def forward(self, points: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Fill missing joints.

        Args:
            points: (B, K, 2) 2D poses in any units, y down; whatever stands at a missing joint,
                NaN included, is ignored.
            visible: (B, K) bool, False at missing joints.

        Returns:
            filled (B, K, 2), visible joints unchanged bit for bit, in the units of the input; and
            ok (B,) bool, False where fewer than three joints are visible, or all of them at one
            point or not finite: there the missing joints are NaN.

        Raises:
            ValueError: another shape, or ``visible`` is not bool.
            RuntimeError: neither fitted nor loaded.
        """
        self._check(points, visible)
        given = visible.unsqueeze(-1).expand_as(points)
        # Double: the covariance is ill-conditioned. The visible joints' centre is taken away so
        # that the size of a pose, not its place in the image, sets the precision.
        work = torch.where(given, points, 0.0).double()
        count = visible.sum(1)
        centre = work.sum(1, keepdim=True) / count.clamp_min(1)[:, None, None]
        largest = work.abs().amax((1, 2))
        work = torch.where(given, work - centre, 0.0)
        ok = (count >= _MIN_VISIBLE) & (work.abs().amax((1, 2)) > _ONE_POINT * largest)

        filled = self._expect(work.flatten(1), given.flatten(1), ok).unflatten(1, (-1, 2)) + centre
        filled = torch.where(ok[:, None, None], filled, torch.nan).to(points.dtype)
        return torch.where(given, points, filled), ok

    def _expect(self, values: Tensor, given: Tensor, ok: Tensor) -> Tensor:
        """All coordinates, expected from the given ones.

        Args:
            values: (B, 2 K) float64 coordinates, 0 where not given.
            given: (B, 2 K) bool.
            ok: (B,) bool; results elsewhere mean nothing.

        Returns:
            (B, 2 K).
        """
        covariance = self.covariance.double()
        identity = torch.eye(2 * _NUM_JOINTS, dtype=values.dtype, device=values.device)
        noisy = covariance + self.ridge * covariance.diagonal().mean() * identity
        # Rows and columns of missing coordinates become those of the identity.
        system = torch.where(given.unsqueeze(1) & given.unsqueeze(2), noisy, identity)
        # Columns: what scale, shift in x and shift in y add to a pose.
        shift = identity[:2, :2].repeat(_NUM_JOINTS, 1)
        design = torch.cat([self.mean.double().flatten().unsqueeze(1), shift], dim=1)
        design_given = torch.where(given.unsqueeze(2), design, 0.0)

        right = torch.cat([design_given, values.unsqueeze(2)], dim=2)
        weighted = torch.linalg.solve(system, right)
        normal, target = (design_given.mT @ weighted).split([3, 1], dim=2)
        normal = torch.where(ok[:, None, None], normal, identity[:3, :3])
        scale_shift = torch.linalg.solve(normal, target)
        # Inverse covariance times what scale and shift leave unexplained, 0 where not given.
        surprise = weighted[..., 3:] - weighted[..., :3] @ scale_shift
        return (design @ scale_shift + covariance @ surprise).squeeze(2)

    def _check(self, points: Tensor, visible: Tensor) -> None:
        if as_points(points, "points", (_NUM_JOINTS, 2)).ndim != 3:
            raise ValueError(f"points must have shape (B, 17, 2), got {tuple(points.shape)}.")
        if visible.dtype != torch.bool or visible.shape != points.shape[:2]:
            raise ValueError(
                f"visible must be bool of shape {tuple(points.shape[:2])} as the points, got "
                f"{visible.dtype} of shape {tuple(visible.shape)}."
            )
        if not self.fitted:
            raise RuntimeError(
                "KeypointInfill has not been fitted: call fit(points) with complete 2D poses "
                "(M, 17, 2), or load a checkpoint of a fitted one."
            )
