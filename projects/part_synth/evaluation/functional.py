"""Errors of 3D poses and part maps as pure functions, in millimetres or percent.

Pose errors are defined here; part maps (:mod:`~part_synth.evaluation.segmentation`) and the spread
of poses (:mod:`~part_synth.evaluation.spread`) are re-exported.

Symbols: ``*`` any leading dimensions, K joints.

Every pose function takes torch tensors or numpy arrays in metres, of any leading shape, and a
mask ``visible`` (*, K). Joints outside the mask take no part in errors or alignments. Means run
over all visible joints of all poses, as in ``mmpose.evaluation.functional.keypoint_mpjpe``.
A pose with a value that is not finite has the error NaN, so that a network that diverged is
seen to have diverged and can never be the best checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor

from part_synth.evaluation._common import METRES_TO_MM, ArrayLike
from part_synth.evaluation.segmentation import (
    class_iou,
    confusion_matrix,
    fg_iou,
    fg_iou_from_confusion,
    part_miou,
    part_miou_from_confusion,
)
from part_synth.evaluation.spread import pose_spread, spread_template
from part_synth.geometry import procrustes_align

__all__ = [
    "ArrayLike",
    "auc",
    "class_iou",
    "confusion_matrix",
    "fg_iou",
    "fg_iou_from_confusion",
    "joint_errors",
    "keypoint_2d_error",
    "mpjpe",
    "n_mpjpe",
    "p_mpjpe",
    "p_mpjpe_flip_tolerant",
    "part_miou",
    "part_miou_from_confusion",
    "pck",
    "pose_spread",
    "spread_template",
]

ROOT_JOINT = 0
ALIGNMENTS = ("root", "scale", "procrustes")
REDUCTIONS = ("mean", "pose", "none")


def joint_errors(
    pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None = None, alignment: str = "root"
) -> Tensor:
    """Distance of every joint to its true place, after an alignment.

    Args:
        pred: Predicted joints (*, K, 3), metres, any frame.
        gt: True joints (*, K, 3), metres, the same frame as ``pred``.
        visible: Mask (*, K); None means all joints.
        alignment: ``'root'`` moves both roots (joint 0) to the origin, ``'scale'`` also scales
            the prediction by the least-squares factor, ``'procrustes'`` applies the
            least-squares rotation, translation and scale; a reflection is never allowed.

    Returns:
        Errors (*, K) in mm. Joints that are not visible have a value too: mask them.

    Raises:
        ValueError: Shapes differ, the last dimension is not 3, or ``alignment`` is unknown.
    """
    pred, gt, mask = _check_poses(pred, gt, visible)
    finite = torch.isfinite(pred).flatten(-2).all(-1)[..., None]
    pred = torch.where(finite[..., None], pred, torch.zeros_like(pred))
    if alignment == "procrustes":
        pred = procrustes_align(pred, gt, weights=mask.to(pred.dtype))
    elif alignment in ("root", "scale"):
        pred, gt = _root_centred(pred), _root_centred(gt)
        if alignment == "scale":
            pred = pred * _least_squares_scale(pred, gt, mask)
    else:
        raise ValueError(f"alignment must be one of {ALIGNMENTS}, got {alignment!r}.")
    errors = METRES_TO_MM * torch.linalg.vector_norm(pred - gt, dim=-1)
    return torch.where(finite, errors, torch.full_like(errors, torch.nan))


def mpjpe(
    pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None = None, reduction: str = "mean"
) -> Tensor:
    """Mean per-joint position error after moving both roots to the origin.

    Args:
        pred: Predicted joints (*, K, 3), metres.
        gt: True joints (*, K, 3), metres.
        visible: Mask (*, K); None means all joints.
        reduction: ``'mean'`` one number over all visible joints, ``'pose'`` (*,) one number per
            pose (NaN where no joint is visible), ``'none'`` (*, K) as :func:`joint_errors`.

    Returns:
        Error in mm.
    """
    return _reduce(joint_errors(pred, gt, visible, "root"), visible, reduction)


def n_mpjpe(
    pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None = None, reduction: str = "mean"
) -> Tensor:
    """MPJPE after the least-squares scale (N-MPJPE of Rhodin et al., CVPR 2018).

    Args:
        pred: Predicted joints (*, K, 3), metres.
        gt: True joints (*, K, 3), metres.
        visible: Mask (*, K); None means all joints.
        reduction: As in :func:`mpjpe`.

    Returns:
        Error in mm.
    """
    return _reduce(joint_errors(pred, gt, visible, "scale"), visible, reduction)


def p_mpjpe(
    pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None = None, reduction: str = "mean"
) -> Tensor:
    """MPJPE after similarity alignment (PA-MPJPE); reflections are forbidden.

    Args:
        pred: Predicted joints (*, K, 3), metres.
        gt: True joints (*, K, 3), metres.
        visible: Mask (*, K); None means all joints.
        reduction: As in :func:`mpjpe`.

    Returns:
        Error in mm.
    """
    return _reduce(joint_errors(pred, gt, visible, "procrustes"), visible, reduction)


def p_mpjpe_flip_tolerant(
    pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None = None, reduction: str = "mean"
) -> Tensor:
    """P-MPJPE of the better of each pose and its depth mirror (z negated, left and right kept).

    It hides depth flips: report it only beside :func:`p_mpjpe`, to compare with papers that
    used it.

    Args:
        pred: Predicted joints (*, K, 3), metres, camera frame.
        gt: True joints (*, K, 3), metres, camera frame.
        visible: Mask (*, K); None means all joints.
        reduction: As in :func:`mpjpe`.

    Returns:
        Error in mm.
    """
    plain, flipped, mask = _plain_and_mirrored(pred, gt, visible)
    better = _reduce(plain, mask, "pose") <= _reduce(flipped, mask, "pose")
    return _reduce(torch.where(better[..., None], plain, flipped), mask, reduction)


def depth_flip_share(pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None = None) -> Tensor:
    """Share of poses whose depth mirror (z negated) fits the truth better than the pose itself.

    Args:
        pred: Predicted joints (*, K, 3), metres, camera frame.
        gt: True joints (*, K, 3), metres, camera frame.
        visible: Mask (*, K); None means all joints.

    Returns:
        Percent.
    """
    plain, flipped, mask = _plain_and_mirrored(pred, gt, visible)
    worse = _reduce(plain, mask, "pose") > _reduce(flipped, mask, "pose")
    return 100.0 * worse.double().mean()


def _plain_and_mirrored(
    pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Aligned errors (*, K) of poses and of their depth mirrors, and the mask."""
    pred, gt, mask = _check_poses(pred, gt, visible)
    mirrored = pred * pred.new_tensor([1.0, 1.0, -1.0])
    plain = joint_errors(pred, gt, mask, "procrustes")
    return plain, joint_errors(mirrored, gt, mask, "procrustes"), mask


def pck(
    pred: ArrayLike,
    gt: ArrayLike,
    visible: ArrayLike | None = None,
    threshold_mm: float = 150.0,
    alignment: str = "root",
) -> Tensor:
    """Share of joints nearer than a threshold (3DPCK of Mehta et al., 3DV 2017).

    Args:
        pred: Predicted joints (*, K, 3), metres.
        gt: True joints (*, K, 3), metres.
        visible: Mask (*, K); None means all joints.
        threshold_mm: A joint is correct when its error is strictly below this.
        alignment: As in :func:`joint_errors`.

    Returns:
        Percent, a scalar.
    """
    errors = joint_errors(pred, gt, visible, alignment)
    return 100.0 * (errors < threshold_mm)[_mask_like(errors, visible)].to(errors.dtype).mean()


def auc(
    pred: ArrayLike,
    gt: ArrayLike,
    visible: ArrayLike | None = None,
    max_mm: float = 150.0,
    step_mm: float = 5.0,
    alignment: str = "root",
) -> Tensor:
    """Mean of :func:`pck` over the thresholds 0, ``step_mm``, ..., ``max_mm``.

    This is the definition of mmpose 0.x's ``keypoint_3d_auc`` (31 thresholds, 0 among them).

    Args:
        pred: Predicted joints (*, K, 3), metres.
        gt: True joints (*, K, 3), metres.
        visible: Mask (*, K); None means all joints.
        max_mm: Largest threshold.
        step_mm: Distance of two thresholds.
        alignment: As in :func:`joint_errors`.

    Returns:
        Percent, a scalar.
    """
    errors = joint_errors(pred, gt, visible, alignment)
    num = round(max_mm / step_mm) + 1
    thresholds = torch.linspace(0.0, max_mm, num, dtype=errors.dtype, device=errors.device)
    errors = errors[_mask_like(errors, visible)].nan_to_num(nan=torch.inf)
    # bucketize counts the thresholds at or below an error: the others are the ones it passes.
    passed = num - torch.bucketize(errors, thresholds, right=True)
    return 100.0 * passed.to(thresholds.dtype).mean() / num


def keypoint_2d_error(pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None = None) -> Tensor:
    """Mean 2D distance as a share of the person's size in the picture.

    The size is the longer side of the box around the visible true joints: the height of anyone
    upright, and still a sensible measure of someone who lies or crouches.

    Args:
        pred: Predicted joints (*, K, 2), any 2D unit.
        gt: True joints (*, K, 2), the same unit.
        visible: Mask (*, K); None means all joints.

    Returns:
        Percent, a scalar.

    Raises:
        ValueError: Shapes differ or the last dimension is not 2.
    """
    pred, gt, mask = _check_poses(pred, gt, visible, dims=2)
    seen = mask[..., None]
    high = torch.where(seen, gt, torch.full_like(gt, -torch.inf)).amax(-2)
    low = torch.where(seen, gt, torch.full_like(gt, torch.inf)).amin(-2)
    size = (high - low).amax(-1, keepdim=True).clamp_min(torch.finfo(gt.dtype).eps)
    return 100.0 * (torch.linalg.vector_norm(pred - gt, dim=-1) / size)[mask].mean()


def _check_poses(
    pred: ArrayLike, gt: ArrayLike, visible: ArrayLike | None, dims: int = 3
) -> tuple[Tensor, Tensor, Tensor]:
    pred, gt = torch.as_tensor(pred), torch.as_tensor(gt)
    if pred.shape != gt.shape or pred.ndim < 2 or pred.shape[-1] != dims:
        raise ValueError(
            f"pred and gt must both have shape (*, K, {dims}), got {tuple(pred.shape)} and "
            f"{tuple(gt.shape)}."
        )
    dtype = torch.promote_types(pred.dtype, gt.dtype)
    pred, gt = pred.to(dtype), gt.to(device=pred.device, dtype=dtype)
    mask = _mask_like(pred[..., 0], visible)
    # Files mark unseen joints by NaN as well as by the mask: 0 x NaN would poison a whole pose.
    unknown = ~mask[..., None] & ~torch.isfinite(gt)
    return pred, torch.where(unknown, torch.zeros_like(gt), gt), mask


def _mask_like(values: Tensor, visible: ArrayLike | None) -> Tensor:
    """``visible`` as a boolean mask of the shape and on the device of ``values`` (*, K)."""
    if visible is None:
        return torch.ones_like(values, dtype=torch.bool)
    mask = torch.as_tensor(visible).to(values.device) > 0
    if mask.shape != values.shape:
        raise ValueError(
            f"visible must have shape {tuple(values.shape)}, one flag per joint, got "
            f"{tuple(mask.shape)}."
        )
    if not mask.any():
        raise ValueError("No joint is visible: there is nothing to measure.")
    return mask


def _reduce(errors: Tensor, visible: ArrayLike | None, reduction: str) -> Tensor:
    mask = _mask_like(errors, visible)
    if reduction == "mean":
        return errors[mask].mean()
    if reduction == "pose":
        total = torch.where(mask, errors, torch.zeros_like(errors)).sum(-1)
        return total / mask.sum(-1)
    if reduction == "none":
        return errors
    raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}.")


def _root_centred(joints: Tensor) -> Tensor:
    return joints - joints[..., ROOT_JOINT : ROOT_JOINT + 1, :]


def _least_squares_scale(pred: Tensor, gt: Tensor, mask: Tensor) -> Tensor:
    """Scale (*, 1, 1) that brings root-centred ``pred`` nearest to ``gt``; 0 for a zero pose."""
    weight = mask[..., None].to(pred.dtype)
    norm = (weight * pred * pred).sum((-1, -2), keepdim=True)
    dot = (weight * pred * gt).sum((-1, -2), keepdim=True)
    return dot / norm.clamp_min(torch.finfo(pred.dtype).tiny)
