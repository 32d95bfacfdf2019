"""Alignment of one set of joints to another: similarity (no reflection) and scale only."""

import roma
import torch
from torch import Tensor

from ._common import as_points, full_precision


def _check_pair(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    source = as_points(source, "source", (None, 3))
    target = as_points(target, "target", (None, 3))
    if source.shape[-2] != target.shape[-2]:
        raise ValueError(
            f"source and target must have the same joints, got shapes {tuple(source.shape)} and "
            f"{tuple(target.shape)}."
        )
    dtype = torch.promote_types(source.dtype, target.dtype)
    return torch.broadcast_tensors(source.to(dtype), target.to(dtype))


@full_precision
def procrustes_align(
    source: Tensor, target: Tensor, weights: Tensor | None = None, scale: bool = True
) -> Tensor:
    """Move, turn and scale the source so that it lies best on the target; never reflect it.

    Least squares solution of Umeyama (IEEE TPAMI 1991) with the rotation of
    ``roma.special_procrustes``. The alignment takes part in the gradient. Degenerate input is
    allowed: a source whose joints all coincide is moved onto the target's (weighted) mean.

    Args:
        source: (*, K, 3).
        target: (*, K, 3), same unit.
        weights: (*, K), not negative, e.g. the joints' visibility; None weighs all alike. A sample
            whose weights are all 0 is aligned with equal weights.
        scale: Also scale the source.

    Returns:
        (*, K, 3) the aligned source, in the target's frame.

    Raises:
        ValueError: shapes do not fit together.
    """
    source, target = _check_pair(source, target)
    if weights is None:
        share = torch.full_like(source[..., :1], 1.0 / source.shape[-2])
    else:
        share = as_points(weights.to(source.dtype), "weights", (source.shape[-2],)).unsqueeze(-1)
        total = share.sum(-2, keepdim=True)
        empty = total <= 0
        share = torch.where(
            empty, 1.0 / source.shape[-2], share / torch.where(empty, torch.ones_like(total), total)
        )
    source_mean = (share * source).sum(-2, keepdim=True)
    target_mean = (share * target).sum(-2, keepdim=True)
    source_centred = source - source_mean
    target_centred = target - target_mean

    covariance = (share * target_centred).mT @ source_centred
    # Lengths in mm or m must not decide when roma's derivative is damped: unit size.
    size = torch.linalg.matrix_norm(covariance, keepdim=True).detach()
    covariance_unit = covariance / torch.where(size > 0, size, torch.ones_like(size))
    rotation = roma.special_procrustes(covariance_unit)
    aligned = source_centred @ rotation.mT
    if scale:
        spread = (share * source_centred.square()).sum((-2, -1), keepdim=True)
        overlap = (rotation * covariance).sum((-2, -1), keepdim=True)
        is_point = spread <= torch.finfo(spread.dtype).tiny
        factor = overlap / torch.where(is_point, torch.ones_like(spread), spread)
        aligned = factor * aligned
    return aligned + target_mean


def scale_align(source: Tensor, target: Tensor) -> Tensor:
    """Scale the source about the origin so that it lies best on the target (for N-MPJPE).

    The factor is ``sum(source * target) / sum(source^2)`` per sample. Bring both to the root first.

    Args:
        source: (*, K, 3) root-relative.
        target: (*, K, 3) root-relative, same unit.

    Returns:
        (*, K, 3) the scaled source; a source of zeros stays as it is.

    Raises:
        ValueError: shapes do not fit together.
    """
    source, target = _check_pair(source, target)
    spread = source.square().sum((-2, -1), keepdim=True)
    is_zero = spread <= torch.finfo(spread.dtype).tiny
    overlap = (source * target).sum((-2, -1), keepdim=True)
    return source * (overlap / torch.where(is_zero, torch.ones_like(spread), spread))
