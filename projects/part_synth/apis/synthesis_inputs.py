"""What synthesis starts from: people in pictures, read by a model, and 3D poses.

Symbols: N poses or pictures, K = 17 joints, S side of the crops, px. Pictures are (H, W, 3) uint8
RGB; the body frame has x to the person's left, y down and z to the back, so that a pose in it faces
a camera of azimuth 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from part_synth.apis.inference import check_batch_size, crop_settings, square_boxes
from part_synth.apis.pictures import Pictures, iterate_pictures, median_picture
from part_synth.apis.pose_files import POSE_FILE_ENDINGS, read_pose_file
from part_synth.apis.target_poses import PersonLooks, TargetPoses, join_poses
from part_synth.datasets.transforms import crop_square
from part_synth.models.novel_images import pool_looks
from part_synth.models.view import CropCamera

# Millimetres from pelvis to thorax that a person can have; outside of it the unit is another one.
_TRUNK_MM = (150.0, 1000.0)
# Part of the crop that 3D poses reach over: a rim for flesh around the bones and for perspective.
_FILLED = 0.8


@torch.inference_mode()
def read_looks(
    model: nn.Module,
    pictures: Pictures,
    boxes: np.ndarray | Sequence | None = None,
    scene: Pictures | None = None,
) -> PersonLooks:
    """Read the looks of one person; what one picture hides another shows.

    Args:
        model: See :func:`part_synth.apis.synthesize`.
        pictures: See :func:`read_poses`. All show the same person.
        boxes: See :func:`read_poses`.
        scene: See :func:`read_poses`.

    Returns:
        The looks.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: See :func:`read_poses`.
    """
    poses = read_poses(model, pictures, boxes, scene)
    images = to_images(poses.crops, poses.joints_body.device)
    decoded = model.place(poses.joints_body, poses.crop_camera)
    return PersonLooks(pool_looks(model, images, decoded), poses)


@torch.inference_mode()
def read_poses(
    model: nn.Module,
    pictures: Pictures,
    boxes: np.ndarray | Sequence | None = None,
    scene: Pictures | None = None,
    batch_size: int = 64,
) -> TargetPoses:
    """Read the pose of the person in each picture, in batches.

    Args:
        model: See :func:`part_synth.apis.synthesize`.
        pictures: A picture, or several: arrays, files, or a folder or video of them.
        boxes: (N, 4) left, top, right, bottom of the person, px, drawn tightly; (4,) is the box in
            all pictures, None takes whole pictures.
        scene: The empty scene of a camera that stands still, one picture for all or one for each,
            each of the size of its picture; 'median' takes the median of ``pictures``. Models with
            ``use_background`` read better with it.
        batch_size: Pictures at once.

    Returns:
        The poses before the cameras that the model saw.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There is no picture, one can't be read, or boxes or scenes do not fit.
    """
    check_synthesizer(model)
    check_batch_size(batch_size)
    crops, scenes = _crop_people(model, pictures, boxes, scene)
    device = next(model.parameters()).device
    parts = [slice(i, i + batch_size) for i in range(0, len(crops), batch_size)]
    return join_poses(
        [_read(model, crops[p], None if scenes is None else scenes[p], device) for p in parts]
    )


def place_poses(model: nn.Module, joints: np.ndarray) -> TargetPoses:
    """Put 3D poses before a level camera: all of one size, whole from every side.

    Bones get the lengths of the model's people; directions are kept.

    Args:
        model: See :func:`part_synth.apis.synthesize`.
        joints: (N, K, 3) mm, Human3.6M's order, in the body frame or, to keep the heading, in a
            camera's frame (x right, y down, z away): the camera looks along z.

    Returns:
        The poses.

    Raises:
        ValueError: The shape is another one, a number is not finite, or the unit is not mm.
    """
    values = np.asarray(joints, dtype=np.float64)
    if values.ndim != 3 or values.shape[1:] != (17, 3) or len(values) == 0:
        raise ValueError(
            f"3D poses must be (N, 17, 3) in mm, N at least 1, got {values.shape}. Pictures are "
            "uint8."
        )
    if not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values).all((1, 2)))
        raise ValueError(
            f"{len(bad)} of {len(values)} 3D poses have a number that is not finite, first "
            f"{bad[0]}; leave them out."
        )
    trunk = float(np.median(np.linalg.norm(values[:, 8] - values[:, 0], axis=-1)))
    if not _TRUNK_MM[0] < trunk < _TRUNK_MM[1]:
        raise ValueError(
            f"3D poses must be in mm: pelvis and thorax are {trunk:.4g} apart. Multiply metres by "
            "1000."
        )
    parameter = next(model.parameters())
    poses = torch.as_tensor(values / 1000.0, dtype=torch.float32, device=parameter.device)
    poses = model.prior.retarget(poses - poses[:, :1])
    # The same scale for all: a person who bends down must not grow.
    reach = poses[..., [0, 2]].norm(dim=-1).max()
    low, high = poses[..., 1].min(), poses[..., 1].max()
    scale = 2 * _FILLED / torch.maximum(2 * reach, high - low)
    level, scale = poses.new_zeros(len(poses)), scale.expand(len(poses))
    offset = torch.stack([level, -scale * (low + high) / 2], -1)
    camera = CropCamera(level, level, level, scale, offset, model.camera_distance)
    return TargetPoses(poses, camera)


def as_poses(
    model: nn.Module,
    poses: Pictures | TargetPoses,
    boxes: np.ndarray | Sequence | None = None,
    scene: Pictures | None = None,
    batch_size: int = 64,
) -> TargetPoses:
    """Poses of whatever the user gave; see :func:`part_synth.apis.synthesize`."""
    if isinstance(poses, str | Path) and Path(poses).suffix.lower() in POSE_FILE_ENDINGS:
        poses = read_pose_file(poses)
    elif isinstance(poses, str | Path) and Path(poses).suffix.lower() in (".json", ".csv"):
        raise ValueError(
            f"{poses} holds no pictures, and 3D poses are read from "
            f"{' and '.join(POSE_FILE_ENDINGS)} files alone; let what wrote it write .npz."
        )
    if isinstance(poses, Tensor):
        poses = poses.detach().cpu().numpy()
    if isinstance(poses, list | tuple) and np.shape(poses[:1])[-1:] == (3,):
        poses = np.asarray(poses)
    is_3d = isinstance(poses, np.ndarray) and poses.dtype != np.uint8
    if (is_3d or isinstance(poses, TargetPoses)) and not (boxes is None and scene is None):
        raise ValueError("Boxes and scenes of poses belong to pictures; leave them out.")
    if isinstance(poses, TargetPoses):
        return poses
    return (
        place_poses(model, poses) if is_3d else read_poses(model, poses, boxes, scene, batch_size)
    )


def to_images(crops: np.ndarray, device: torch.device) -> Tensor:
    """(N, S, S, 3) uint8 RGB as the model takes it, (N, 3, S, S) in [-1, 1]."""
    values = torch.from_numpy(np.ascontiguousarray(crops)).to(device)
    return values.permute(0, 3, 1, 2).float() / 127.5 - 1


def check_synthesizer(model: nn.Module) -> None:
    """Raise a ValueError for models that can't synthesise."""
    needed = ("encoder", "prior", "puppet", "appearance", "decoder")
    if not all(hasattr(model, name) for name in needed):
        raise ValueError(
            f"The model is a {type(model).__name__}, which does not synthesise pictures; give a "
            "part_synth.PartSynth (configs/part_synth_*.py)."
        )
    if not model.prior.fitted:
        raise ValueError(
            "The model has not been trained: its pose prior has no bone lengths. Load a checkpoint "
            "with part_synth.apis.init_model."
        )


def _read(
    model: nn.Module, crops: np.ndarray, scenes: np.ndarray | None, device: torch.device
) -> TargetPoses:
    """Poses and cameras of one batch of crops."""
    images = to_images(crops, device)
    backgrounds = None if scenes is None else to_images(scenes, device)
    decoded = model.fitted(model.read(images, backgrounds))
    return TargetPoses(decoded["joints_body"], decoded["camera"], crops, scenes)


def _crop_people(
    model: nn.Module,
    pictures: Pictures,
    boxes: np.ndarray | Sequence | None,
    scene: Pictures | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Crops (N, S, S, 3) of the person, and of the empty scenes; frames are read one by one."""
    size, padding = crop_settings(model.cfg)
    box_for_all = np.ndim(boxes) == 1
    if boxes is not None:
        try:
            boxes = np.atleast_2d(np.asarray(boxes, dtype=np.float64))
        except (TypeError, ValueError):
            raise ValueError(f"boxes must be (N, 4) numbers, px, got {boxes!r:.80}.") from None
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(
                "boxes must be (N, 4), one for each picture, or (4,) for all of them, got "
                f"{boxes.shape}."
            )
    if isinstance(scene, str) and scene == "median":
        scene = median_picture(pictures)
    empty = None if scene is None else list(iterate_pictures(scene))
    crops, scenes = [], []
    for i, picture in enumerate(iterate_pictures(pictures)):
        height, width = picture.shape[:2]
        box = _of_picture(boxes, i, "boxes")
        box = [0, 0, width, height] if box is None else box
        (square,) = square_boxes([box], width, height, padding)
        crops.append(crop_square(picture, square, size))
        behind = _of_picture(empty, i, "scenes")
        if behind is None:
            continue
        if behind.shape != picture.shape:
            raise ValueError(
                f"The empty scene {behind.shape} must have the shape of its picture "
                f"{picture.shape}: it is what the same camera sees without the person."
            )
        scenes.append(crop_square(behind, square, size))
    for name, rows, for_all in (("boxes", boxes, box_for_all), ("scenes", empty, True)):
        if rows is not None and len(rows) != len(crops) and not (for_all and len(rows) == 1):
            raise ValueError(f"There are {len(rows)} {name} for {len(crops)} pictures.")
    if not crops:
        raise ValueError("There is no picture; give at least one.")
    return np.stack(crops), np.stack(scenes) if scenes else None


def _of_picture(rows: Sequence | None, index: int, name: str):
    """What belongs to one picture; a single row belongs to all."""
    if rows is None:
        return None
    if index >= len(rows) != 1:
        raise ValueError(
            f"There are {len(rows)} {name} for more pictures; give one for each, or one for all."
        )
    return rows[0 if len(rows) == 1 else index]
