"""Errors of 3D poses and part maps as pure functions, in millimetres or percent.

Symbols: ``*`` any leading dimensions, N poses, K joints, C part classes, H x W pixels.

Every pose function takes torch tensors or numpy arrays in metres, of any leading shape, and a
mask ``visible`` (*, K). Joints outside the mask take no part in errors or alignments. Means run
over all visible joints of all poses, as in ``mmpose.evaluation.functional.keypoint_mpjpe``.
A pose with a value that is not finite has the error NaN, so that a network that diverged is
seen to have diverged and can never be the best checkpoint.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from part_synth.geometry import procrustes_align

ArrayLike: TypeAlias = Tensor | np.ndarray

METRES_TO_MM = 1000.0
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
    pred, gt, mask = _check_poses(pred, gt, visible)
    mirrored = pred * pred.new_tensor([1.0, 1.0, -1.0])
    plain = joint_errors(pred, gt, mask, "procrustes")
    flipped = joint_errors(mirrored, gt, mask, "procrustes")
    better = _reduce(plain, mask, "pose") <= _reduce(flipped, mask, "pose")
    return _reduce(torch.where(better[..., None], plain, flipped), mask, reduction)


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


def confusion_matrix(
    pred_labels: ArrayLike, gt_labels: ArrayLike, num_classes: int = 15, ignore_index: int = 255
) -> Tensor:
    """Count pixels by true and predicted label.

    Args:
        pred_labels: Predicted labels (*, H, W), integers in [0, C).
        gt_labels: True labels (*, H, W), integers in [0, C), or ``ignore_index``.
        num_classes: C, background (0) included.
        ignore_index: Pixels with this true label are not counted.

    Returns:
        Counts (C, C) int64, rows true, columns predicted. Matrices of parts of a data set add up
        to the matrix of the set.

    Raises:
        ValueError: Shapes differ or a label is out of range.
    """
    pred_labels, gt_labels = torch.as_tensor(pred_labels), torch.as_tensor(gt_labels)
    if pred_labels.shape != gt_labels.shape:
        raise ValueError(
            f"Predicted labels {tuple(pred_labels.shape)} and true labels "
            f"{tuple(gt_labels.shape)} must have one shape: resize one of them (nearest)."
        )
    gt_labels = gt_labels.reshape(-1).long()
    pred_labels = pred_labels.reshape(-1).long()[gt_labels != ignore_index]
    gt_labels = gt_labels[gt_labels != ignore_index]
    for name, labels in (("Predicted", pred_labels), ("True", gt_labels)):
        if labels.numel() and (labels.min() < 0 or labels.max() >= num_classes):
            raise ValueError(
                f"{name} part labels must be in 0..{num_classes - 1}, got "
                f"{int(labels.min())}..{int(labels.max())}."
            )
    counts = torch.bincount(gt_labels * num_classes + pred_labels, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_iou(confusion: ArrayLike) -> Tensor:
    """Intersection over union per class.

    Args:
        confusion: Counts (C, C), see :func:`confusion_matrix`.

    Returns:
        Percent (C,), float64; NaN for a class that neither truth nor prediction contains.
    """
    confusion = torch.as_tensor(confusion).double()
    hit = confusion.diagonal()
    return 100.0 * hit / (confusion.sum(0) + confusion.sum(1) - hit)


def part_miou_from_confusion(confusion: ArrayLike) -> Tensor:
    """Mean IoU over the parts (class 0, background, left out) that occur at all.

    Args:
        confusion: Counts (C, C), see :func:`confusion_matrix`.

    Returns:
        Percent, a scalar; NaN when no part occurs.
    """
    return class_iou(confusion)[1:].nanmean()


def fg_iou_from_confusion(confusion: ArrayLike) -> Tensor:
    """IoU of person (any part) against background.

    Args:
        confusion: Counts (C, C), see :func:`confusion_matrix`.

    Returns:
        Percent, a scalar; NaN when nobody is there and nobody is predicted.
    """
    confusion = torch.as_tensor(confusion).double()
    return 100.0 * confusion[1:, 1:].sum() / (confusion.sum() - confusion[0, 0])


def part_miou(pred_labels: ArrayLike, gt_labels: ArrayLike, num_classes: int = 15) -> Tensor:
    """Mean IoU over parts, all pixels of all maps counted together.

    Args:
        pred_labels: Predicted labels (*, H, W).
        gt_labels: True labels (*, H, W).
        num_classes: C, background (0) included.

    Returns:
        Percent, a scalar.
    """
    return part_miou_from_confusion(confusion_matrix(pred_labels, gt_labels, num_classes))


def fg_iou(pred_labels: ArrayLike, gt_labels: ArrayLike, num_classes: int = 15) -> Tensor:
    """IoU of person against background, all pixels of all maps counted together.

    Args:
        pred_labels: Predicted labels (*, H, W).
        gt_labels: True labels (*, H, W).
        num_classes: C, background (0) included.

    Returns:
        Percent, a scalar.
    """
    return fg_iou_from_confusion(confusion_matrix(pred_labels, gt_labels, num_classes))


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


def _finite_poses(poses: ArrayLike) -> Tensor:
    poses = torch.as_tensor(poses)
    if poses.ndim != 3 or poses.shape[-1] != 3:
        raise ValueError(f"poses must have shape (N, K, 3), got {tuple(poses.shape)}.")
    poses = poses[torch.isfinite(poses).flatten(1).all(1)]
    if len(poses) == 0:
        raise ValueError("No pose is finite: the network that predicted them has diverged.")
    return poses
