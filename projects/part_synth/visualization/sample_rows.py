"""From data samples and batches to rows of a prediction sheet."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement

from part_synth.evaluation.functional import p_mpjpe
from part_synth.visualization.sheets import PredictionRow


def prediction_row(
    data_sample: BaseDataElement, data_batch: Any = None, index: int = 0
) -> PredictionRow:
    """Collect what can be drawn of one sample.

    Args:
        data_sample: Output of the model in mode ``'predict'``, with
            ``pred_instances.keypoints`` (1, K, 3). Truth, 2D joints and part maps are drawn where
            they are there.
        data_batch: The batch as the data loader made it; its ``inputs['image']`` is the picture.
        index: Place of the sample in the batch.

    Returns:
        The row. Of a sample of several frames the first is taken.

    Raises:
        ValueError: The sample has no predicted 3D joints.
    """
    joints = _first(data_sample, "pred_instances", "keypoints")
    if joints is None or joints.shape[-1] != 3:
        raise ValueError(
            "A data sample has no pred_instances.keypoints (1, K, 3): the model must write "
            "camera-frame joints in metres there in mode 'predict'."
        )
    image = batch_image(data_batch, index)
    gt_joints = _first(data_sample, "gt_instances", "lifting_target")
    if gt_joints is not None and gt_joints.shape != joints.shape:
        gt_joints = None
    keypoints = _crop_pixels(_first(data_sample, "pred_instances", "crop_keypoints"), image)
    if image is None and keypoints is None:
        # What a lifter was given; the sheet fits it into the cell.
        keypoints = _first(data_sample, "gt_instances", "keypoints")
    return PredictionRow(
        joints=joints,
        gt_joints=gt_joints,
        image=image,
        keypoints=keypoints,
        gt_keypoints=_crop_pixels(_first(data_sample, "gt_instances", "crop_keypoints"), image),
        part_labels=_first(data_sample, "pred_fields", "part_labels"),
        gt_part_labels=_first(data_sample, "gt_fields", "part_labels"),
        gravity=_gravity(data_sample.metainfo.get("camera_rotation")),
        caption=_caption(data_sample, joints, gt_joints),
    )


def batch_image(data_batch: Any, index: int) -> np.ndarray | None:
    """The input crop of one sample of a batch.

    Args:
        data_batch: ``{'inputs': {'image': uint8 RGB (B, F, 3, H, W), or a list of B}}``. Batches
            without images (2D-to-3D lifters) are fine.
        index: Place of the sample in the batch.

    Returns:
        RGB (H, W, 3) uint8, the first frame; None where the batch has no images.
    """
    inputs = data_batch.get("inputs") if isinstance(data_batch, dict) else None
    if isinstance(inputs, (list, tuple)):
        # pseudo_collate of samples with a dict of inputs each.
        inputs = inputs[index] if index < len(inputs) else None
        image = inputs.get("image") if isinstance(inputs, dict) else None
    else:
        images = inputs.get("image") if isinstance(inputs, dict) else None
        image = images[index] if images is not None else None
    if image is None:
        return None
    image = torch.as_tensor(image)
    image = image[0] if image.ndim == 4 else image
    if image.ndim != 3 or image.shape[0] != 3 or image.dtype != torch.uint8:
        return None
    return np.ascontiguousarray(image.cpu().numpy().transpose(1, 2, 0))


def _first(data_sample: BaseDataElement, group: str, key: str) -> np.ndarray | None:
    """First entry of ``data_sample.group.key`` as an array; None where it is not there."""
    values = data_sample.get(group)
    value = values.get(key) if values is not None else None
    if value is None or len(value) == 0:
        return None
    value = value[0]
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _crop_pixels(keypoints: np.ndarray | None, image: np.ndarray | None) -> np.ndarray | None:
    """Normalised crop coordinates ([-1, 1], edge to edge) to pixels of the crop.

    Without an image they stay as they are: the sheet then fits them into the cell.
    """
    if keypoints is None or image is None:
        return keypoints
    height, width = image.shape[:2]
    return (keypoints + 1.0) / 2.0 * [width, height] - 0.5


def _gravity(rotation: Any) -> np.ndarray | None:
    """Direction of gravity in the camera frame, from the rotation world (z up) to camera."""
    if rotation is None:
        return None
    rotation = np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)[0]
    return -rotation[:, 2] if np.isfinite(rotation).all() else None


def _caption(data_sample: BaseDataElement, joints: np.ndarray, gt_joints: np.ndarray | None) -> str:
    meta = data_sample.metainfo
    words = [str(meta[key]) for key in ("subject", "action", "camera") if meta.get(key)]
    if gt_joints is not None:
        words.append(f"P-MPJPE {float(p_mpjpe(joints, gt_joints)):.0f} mm")
    return "  ".join(words)
