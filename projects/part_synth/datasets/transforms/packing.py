"""The last step: arrays to tensors and to mmpose's data sample."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample

from part_synth.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackFrames(BaseTransform):
    """Pack F cropped frames into ``inputs`` and a ``PoseDataSample``.

    ``inputs``: image (F, 3, S, S) uint8 RGB, and background of the same shape where one was loaded.
    ``data_samples``, in numpy arrays (every tensor that a worker process sends costs a file
    descriptor and a message):

    - gt_instances, one row per frame: ``lifting_target`` (F, 17, 3) float32, camera frame, metres,
      not root-centred; ``lifting_target_visible`` (F, 17); ``keypoints`` (F, 17, 2) px of the
      original image; ``keypoints_visible`` (F, 17); ``crop_keypoints`` (F, 17, 2) in [-1, 1] over
      the crop, edge to edge (:mod:`part_synth.datasets.transforms.cropping`).
    - gt_fields: ``part_labels`` (F, S, S) uint8, where part labels exist.
    - metainfo: ``subject``, ``action``, ``clip``, ``camera`` (a string if equal for all frames,
      else a list of F), ``img_path`` (a string for one frame, else a list), ``frame`` (F,) numbers,
      ``time`` (F,) seconds in the clip, ``crop_box`` (F, 3) centre x, centre y, side in px,
      ``input_size`` (width, height), ``img_shape`` of the crop, ``ori_shape`` of the image,
      ``flip``, ``sample_idx``; of multi-view sets ``subject_id``, the person's number; where the
      camera is calibrated ``camera_param`` (``focal`` and ``centre``, px of the original image) and
      ``camera_rotation`` (world to camera), both without the leading axis of F for a single frame.

    Args:
        labels (bool): False leaves the ground truth out, so that a model can't see any.
    """

    def __init__(self, labels: bool = True) -> None:
        self.labels = labels

    def transform(self, results: dict) -> dict:
        """Pack."""
        inputs = {"image": _to_tensor(results["images"])}
        if "backgrounds" in results:
            inputs["background"] = _to_tensor(results["backgrounds"])
        sample = PoseDataSample(metainfo=_metainfo(results))
        if self.labels:
            sample.gt_instances = InstanceData(
                lifting_target=results["joints"],
                lifting_target_visible=results["joints_visible"],
                keypoints=results["keypoints"],
                keypoints_visible=results["keypoints_visible"],
                crop_keypoints=results["crop_keypoints"],
            )
            if "part_images" in results:
                sample.gt_fields = PixelData(part_labels=np.stack(results["part_images"]))
        return {"inputs": inputs, "data_samples": sample}


def _to_tensor(images: list[np.ndarray]) -> torch.Tensor:
    """F images (S, S, 3) BGR to one (F, 3, S, S) RGB tensor."""
    stack = np.stack([cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in images])
    return torch.from_numpy(np.ascontiguousarray(stack.transpose(0, 3, 1, 2)))


def _metainfo(results: dict) -> dict:
    """Meta information; see :class:`PackFrames`."""
    single = len(results["images"]) == 1
    height, width = results["images"][0].shape[:2]
    shapes = results["image_shape"]
    meta = {
        "img_path": results["img_path"][0] if single else results["img_path"],
        "frame": results["frame"],
        "time": results["time"],
        "crop_box": results["crop_box"],
        "input_size": (width, height),
        "img_shape": (height, width),
        "ori_shape": _common(shapes),
        "flip": results["flip"],
        "sample_idx": results["sample_idx"],
    }
    if "subject_id" in results:
        meta["subject_id"] = results["subject_id"]
    for name in ("subject", "action", "clip", "camera_name"):
        meta["camera" if name == "camera_name" else name] = _common(results[name])
    camera = {name: value[0] if single else value for name, value in results["camera"].items()}
    if np.isfinite(camera["focal"]).all():
        meta["camera_param"] = {"focal": camera["focal"], "centre": camera["centre"]}
    if np.isfinite(camera["rotation"]).all():
        meta["camera_rotation"] = camera["rotation"]
    return meta


def _common(values: list):
    """The value that all frames share, or the list."""
    return values[0] if all(value == values[0] for value in values) else values
