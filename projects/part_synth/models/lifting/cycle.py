"""Lift, look from elsewhere, lift again, and come back.

Symbols: B clips, T frames, K joints, c distance of the root.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from part_synth.geometry import flat_points, lift_points, turn_about_root, unit_scale


@dataclass
class LiftingCycle:
    """What one cycle saw. 2D in the image of the lifting frame, 3D in the lifting frame.

    Attributes:
        points: (B, T, K, 2) poses as they came.
        joints: (B, T, K, 3) lifted.
        rotation: (B, 3, 3) the new view.
        turned: (B, T, K, 3) ``joints`` turned, at the size of ``seen``.
        seen: (B, T, K, 2) ``turned`` as the new view sees it, brought to the usual size.
        relifted: (B, T, K, 3) ``seen`` lifted.
        joints_again: (B, T, K, 3) ``relifted`` turned back, at the size of ``joints``.
        points_again: (B, T, K, 2) ``joints_again`` as the first view sees it.
    """

    points: Tensor
    joints: Tensor
    rotation: Tensor
    turned: Tensor
    seen: Tensor
    relifted: Tensor
    joints_again: Tensor
    points_again: Tensor


def run_cycle(
    lifter: Callable[[Tensor], Tensor], points: Tensor, rotation: Tensor, distance: float
) -> LiftingCycle:
    """Lift, turn, project, lift again with the same lifter, turn back, project (Chen et al. 2019).

    What the new view sees is brought to the size that all poses have in training; sizes in 3D
    follow, so that what is compared has one size.

    Args:
        lifter: (B, T, K, 2) 2D poses to (B, T, K) depth offsets.
        points: (B, T, K, 2) 2D poses.
        rotation: (B, 3, 3) new view.
        distance: c.

    Returns:
        The cycle.
    """
    joints = lift_points(points, lifter(points), distance)
    turned = turn_about_root(joints, rotation)
    seen = flat_points(turned, distance)
    scale = unit_scale(seen.detach())
    seen = seen * scale
    root = turned[..., :1, :]
    turned = root + (turned - root) * scale
    relifted = lift_points(seen, lifter(seen), distance)
    joints_again = turn_about_root(relifted, rotation.mT)
    joints_again = root + (joints_again - root) / scale.clamp_min(1e-6)
    return LiftingCycle(
        points=points,
        joints=joints,
        rotation=rotation,
        turned=turned,
        seen=seen,
        relifted=relifted,
        joints_again=joints_again,
        points_again=flat_points(joints_again, distance),
    )
