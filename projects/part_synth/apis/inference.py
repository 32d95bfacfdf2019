"""A trained model on pictures: one call from boxes of people to poses and part labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import load_checkpoint
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from part_synth.apis.config import load_config
from part_synth.apis.devices import to_device
from part_synth.apis.zoo import IMAGE_MODEL, IMAGE_MODELS, shipped_model
from part_synth.datasets.transforms import crop_square
from part_synth.engine.checkpoint_guard import check_checkpoint_file
from part_synth.geometry import H36M17, PART_NAMES
from part_synth.registry import MODELS

# Side of a crop over the larger side of the person's box: annotated boxes are a quarter larger.
BOX_MARGIN = 1.25


@dataclass
class PersonPose:
    """What the model says of one person.

    Attributes:
        joints: (17, 3) root-relative camera frame, metres: x right, y down, z away. The scale is
            that of a person of mean build: one picture does not tell size.
        keypoints: (17, 2) joints in the image, px.
        part_labels: (S, S) part of each pixel of the crop, an index into ``part_names``.
        crop: (S, S, 3) RGB, what the model saw.
        crop_box: (3,) centre x, centre y and side of the crop, px.
        joint_names: Names of the joints, Human3.6M's order.
        part_names: Names of the parts, background first.
    """

    joints: np.ndarray
    keypoints: np.ndarray
    part_labels: np.ndarray
    crop: np.ndarray
    crop_box: np.ndarray
    joint_names: tuple[str, ...] = tuple(H36M17.joint_names)
    part_names: tuple[str, ...] = tuple(PART_NAMES)


def init_model(
    config: str | Path | Config | None = None,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
) -> nn.Module:
    """Build a model from its config and load its weights.

    Args:
        config: Config of the model, or its file; without a checkpoint the name of an image model
            in the package (``part_synth_synthetic_long``, ``part_synth_synthetic_64px``), or None
            for the first of them.
        checkpoint: Checkpoint that ``tools/train.py`` wrote.
        device: Where to run.

    Returns:
        The model in evaluation mode; ``model.cfg`` holds its config.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint belongs to another model, only one of config and checkpoint is
            given, or there is no such device here.
    """
    named = config is None or str(config) in IMAGE_MODELS
    if named != (checkpoint is None):
        raise ValueError(
            "Give both the config and the checkpoint of a model, or no checkpoint and the name of "
            f"one in the package ({' or '.join(IMAGE_MODELS)}; none: {IMAGE_MODEL}), got "
            f"{config!s} and {checkpoint!s}."
        )
    if named:
        config, checkpoint = shipped_model(str(config or IMAGE_MODEL))
    cfg = config if isinstance(config, Config) else load_config(str(config))
    check_checkpoint_file(str(checkpoint))
    if DefaultScope.get_current_instance() is None:
        init_default_scope(cfg.get("default_scope", "mmpose"))
    model = MODELS.build(cfg.model)
    try:
        load_checkpoint(model, str(checkpoint), map_location="cpu", strict=True)
    except RuntimeError as error:
        raise ValueError(
            f"{checkpoint} does not fit the model of {cfg.filename or 'this config'}; give the "
            "config that it was trained with."
        ) from error
    model.cfg = cfg
    return to_device(model, device).eval()


def crop_settings(cfg: Config) -> tuple[int, float]:
    """Size (px) and padding of the crops that a config tests with.

    Raises:
        ValueError: The config tests with a pipeline of its own.
    """
    crop = cfg.test_dataloader.dataset.get("crop")
    if crop is None:
        raise ValueError(
            "The config tests with a pipeline of its own; inference needs "
            "test_dataloader.dataset.crop=dict(size=..., padding=...)."
        )
    return int(crop["size"]), float(crop.get("padding", 1.0))


def square_boxes(
    boxes: np.ndarray | Sequence[Sequence[float]], width: int, height: int, padding: float
) -> np.ndarray:
    """Squares that a model sees of people in a picture.

    Args:
        boxes: (N, 4) left, top, right, bottom of each person, px, drawn tightly.
        width: Width of the picture, px.
        height: Its height, px.
        padding: See :func:`crop_settings`.

    Returns:
        (N, 3) centre x, centre y and side, px.

    Raises:
        ValueError: The boxes have another shape, or one is empty or wholly outside of the picture.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (N, 4), got {boxes.shape}")
    sides = boxes[:, 2:] - boxes[:, :2]
    if not (np.isfinite(boxes).all() and (sides > 0).all()):
        raise ValueError(
            "boxes are (left, top, right, bottom) in pixels with right > left and bottom > top, "
            f"got {boxes.tolist()}"
        )
    # A box that begins in the picture may end outside of it: people at its edge do.
    outside = ((boxes[:, :2] >= [width, height]) | (boxes[:, 2:] <= 0)).any(1)
    if outside.any():
        raise ValueError(
            f"The box {boxes[outside][0].tolist()} (left, top, right, bottom, px) lies wholly "
            f"outside of the picture of {width} x {height} px; there is nobody to see."
        )
    side = BOX_MARGIN * padding * sides.max(1, keepdims=True)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, side], axis=1)


@torch.inference_mode()
def predict_people(
    model: nn.Module,
    image: np.ndarray,
    boxes: np.ndarray | Sequence[Sequence[float]] | None = None,
    background: np.ndarray | None = None,
) -> list[PersonPose]:
    """Poses and part labels of the people in one image, in one batch.

    Args:
        model: From :func:`init_model`.
        image: (H, W, 3) uint8, RGB.
        boxes: (N, 4) left, top, right, bottom of each person, px, drawn tightly; None takes the
            whole image as one person's box.
        background: (H, W, 3) uint8, RGB: the empty scene of a camera that stands still, which
            models with ``use_background`` read better with. None where it is unknown.

    Returns:
        One result per box; an empty list for no boxes.

    Raises:
        ValueError: The image, the background or the boxes have another shape, or a box is empty or
            wholly outside of the image.
    """
    image = checked_picture(image, "image")
    if background is not None:
        background = checked_picture(background, "background")
        if background.shape != image.shape:
            raise ValueError(
                f"background must have the image's shape {image.shape}, got {background.shape}"
            )
    height, width = image.shape[:2]
    boxes = [[0, 0, width, height]] if boxes is None else boxes
    if len(boxes) == 0:
        return []
    size, padding = crop_settings(model.cfg)
    crop_boxes = square_boxes(boxes, width, height, padding)
    crops = [crop_square(image, box, size) for box in crop_boxes]
    inputs = {"image": _batch(crops)}
    if background is not None:
        inputs["background"] = _batch([crop_square(background, box, size) for box in crop_boxes])
    samples = [PoseDataSample(metainfo={"crop_box": box[None]}) for box in crop_boxes]
    batch = model.data_preprocessor({"inputs": inputs, "data_samples": samples})
    results = model.predict(batch["inputs"], batch["data_samples"])
    return [
        PersonPose(
            joints=np.asarray(sample.pred_instances.keypoints[0]),
            keypoints=np.asarray(sample.pred_instances.keypoints_2d[0]),
            part_labels=_numpy(sample.pred_fields.part_labels)[0],
            crop=crop,
            crop_box=box,
            part_names=tuple(sample.pred_fields.part_names),
        )
        for sample, crop, box in zip(results, crops, crop_boxes, strict=True)
    ]


def check_batch_size(value: int) -> None:
    """Raise a ValueError for what can't be a number of pictures."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1, got {value!r}.")


def checked_picture(picture: np.ndarray, name: str) -> np.ndarray:
    """The picture; a ValueError that names it if it is not (H, W, 3) uint8."""
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"{name} must be (H, W, 3) uint8 RGB, got {picture.shape} {picture.dtype}")
    return picture


def _batch(crops: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)[:, None]


def _numpy(values: Tensor | np.ndarray) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, Tensor) else values
