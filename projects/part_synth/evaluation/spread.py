"""How much a set of poses varies: predictions that shrink towards one pose show here.

Symbols: N poses, K joints.
"""

from __future__ import annotations

import torch
from torch import Tensor

from part_synth.evaluation._common import METRES_TO_MM, ArrayLike
from part_synth.geometry import procrustes_align


def spread_template(poses: ArrayLike, num_iterations: int = 3) -> Tensor:
    """Mean shape of a set of poses that face anywhere (generalised Procrustes analysis).

    Args:
        poses: Joints (N, K, 3), metres.
        num_iterations: Rounds of aligning all poses to the mean and taking the mean again.

    Returns:
        Template (K, 3), metres, centroid at the origin, of the mean size of the poses.
    """
    poses = _finite_poses(poses)
    poses = poses - poses.mean(-2, keepdim=True)
    size = poses.square().sum((-1, -2)).sqrt().mean()
    template = poses[0]
    for _ in range(num_iterations):
        template = procrustes_align(poses, template.expand_as(poses)).mean(0)
        template = template - template.mean(-2, keepdim=True)
        # A mean of aligned shapes is smaller than each of them: undo the shrinking.
        template = template * size / template.square().sum().sqrt().clamp_min(1e-12)
    return template


def pose_spread(poses: ArrayLike, template: ArrayLike) -> Tensor:
    """How much a set of poses varies once turn, place and size are taken out.

    Every pose is similarity-aligned to ``template``; the spread is the root mean square, over
    poses and joints, of the distance to the joint's mean place. Predictions that collapse to one
    pose have spread 0.

    Args:
        poses: Joints (N, K, 3), metres.
        template: Joints (K, 3), metres, see :func:`spread_template`. Spreads are comparable
            when they share it.

    Returns:
        Spread in mm, a scalar.
    """
    poses = _finite_poses(poses)
    target = torch.as_tensor(template).to(poses)
    aligned = procrustes_align(poses, target.expand_as(poses))
    return METRES_TO_MM * (aligned - aligned.mean(0)).square().sum(-1).mean().sqrt()


def _finite_poses(poses: ArrayLike) -> Tensor:
    poses = torch.as_tensor(poses)
    if poses.ndim != 3 or poses.shape[-1] != 3:
        raise ValueError(f"poses must have shape (N, K, 3), got {tuple(poses.shape)}.")
    poses = poses[torch.isfinite(poses).flatten(1).all(1)]
    if len(poses) == 0:
        raise ValueError("No pose is finite: the network that predicted them has diverged.")
    return poses
