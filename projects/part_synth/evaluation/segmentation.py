"""Quality of part maps as pure functions, in percent.

Symbols: ``*`` any leading dimensions, C part classes with background as class 0, H x W pixels.
Counts are kept as confusion matrices, which add up over the samples of a data set: an IoU of a set
is that of its pixels, not a mean over pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from part_synth.evaluation._common import ArrayLike


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
