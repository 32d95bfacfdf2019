"""People in poses and views that no camera saw: one call from pictures to pictures.

Symbols: N synthesised images, L pictures of the looks, V views, S side of the crops, px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from part_synth.apis.inference import check_batch_size, crop_settings, init_model
from part_synth.apis.pictures import Picture, Pictures, iterate_pictures
from part_synth.apis.synthesis_inputs import (
    as_poses,
    check_synthesizer,
    read_looks,
    to_images,
)
from part_synth.apis.target_poses import PersonLooks, TargetPoses
from part_synth.datasets.transforms import crop_square
from part_synth.models.novel_images import paint, to_bytes
from part_synth.models.puppet_fit import PuppetFit


@dataclass
class SynthesisResult:
    """Synthesised images: for each pose all its views, one after the other.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        part_labels: (N, S, S) uint8 part of each pixel, 0 = background.
        joints_cam: (N, 17, 3) mm, root-relative camera frame: x right, y down, z away.
        keypoints: (N, 17, 2) joints in the images, px.
        views: (N,) degrees that the person was turned by.
        looks_crops: (L, S, S, 3) uint8 RGB, what the model saw of the looks.
        pose_crops: (N / V, S, S, 3) uint8 RGB, what it saw of the poses; None for 3D poses.
    """

    images: np.ndarray
    part_labels: np.ndarray
    joints_cam: np.ndarray
    keypoints: np.ndarray
    views: np.ndarray
    looks_crops: np.ndarray
    pose_crops: np.ndarray | None


def load_synthesizer(
    model: str | Path | tuple[str | Path | None, str | Path | None] | None = None,
    device: str = "cpu",
    fit: bool = True,
) -> nn.Module:
    """A model that synthesises pictures.

    Args:
        model: (config, checkpoint) that ``tools/train.py`` trained; the name of a model in the
            package, None for the first of them. See :func:`~part_synth.apis.inference.init_model`.
        device: Where to run.
        fit: Fit the people in pictures to the parts that the model's part head sees, if it has
            one, by :class:`~part_synth.models.PuppetFit`: limbs are painted, and looks taken, where
            they are. Of poses that don't come from pictures nothing changes.

    Returns:
        The model in evaluation mode.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint does not fit the config, or the model does something else.
    """
    files = (model, None) if isinstance(model, str | Path) else model or (None, None)
    loaded = init_model(*files, device=device)
    check_synthesizer(loaded)
    if not fit:
        loaded.puppet_fit = None
    elif loaded.puppet_fit is None and getattr(loaded.encoder, "part_head", None) is not None:
        loaded.puppet_fit = PuppetFit()
    return loaded


@torch.inference_mode()
def synthesize(
    model: nn.Module,
    looks: Pictures | PersonLooks,
    poses: Pictures | TargetPoses | None = None,
    *,
    looks_boxes: np.ndarray | Sequence | None = None,
    pose_boxes: np.ndarray | Sequence | None = None,
    looks_scene: Pictures | None = None,
    pose_scene: Pictures | None = None,
    background: str | Sequence[int] | Picture | None = None,
    views: float | Sequence[float] | None = None,
    batch_size: int = 64,
) -> SynthesisResult:
    """Paint the looks of one person in the poses of others.

    ``synthesize(model, A, B)`` transfers B's pose to A, and with it A's looks to B;
    ``synthesize(model, A, views=range(0, 360, 45))`` turns A around. All is batched.

    Args:
        model: From :func:`~part_synth.apis.init_model` or :func:`load_synthesizer`.
        looks: Picture(s) of the person whose looks are wanted: files, a folder, or (H, W, 3) uint8
            RGB arrays; or what :func:`~part_synth.apis.synthesis_inputs.read_looks` gave.
        poses: Pictures or a video, whose poses the model reads; 3D poses (M, 17, 3) in mm, body or
            camera frame, or a file of one person's (.npz, .bvh); or what
            :func:`~part_synth.apis.synthesis_inputs.read_poses` gave. None: those of ``looks``.
        looks_boxes: (L, 4) or (4,) left, top, right, bottom of the person, px, drawn tightly; None
            takes whole pictures.
        pose_boxes: The same for the pictures of ``poses``.
        looks_scene: Empty scene of the camera of ``looks``, if it stands still: one picture, or one
            for each, or 'median' of the pictures. Models with ``use_background`` read better with
            it.
        pose_scene: The same for ``poses``.
        background: What is behind the person: 'looks' or 'poses', the empty scene of either; a
            picture, whose largest middle square is taken; (R, G, B) of 0 to 255; None is grey.
        views: Degrees by which the person turns about the vertical, clockwise seen from above: at
            90 who faced the camera looks to the left of the picture. None keeps the view of the
            pose's picture; 3D poses are seen along their z axis.
        batch_size: Pictures at once.

    Returns:
        The images: of every pose all views.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A picture, box, pose, view or background can't be what it should be, or the
            model does not synthesise; the message says what was expected and what came.
    """
    check_synthesizer(model)
    check_batch_size(batch_size)
    turns = _turns(views)
    looks = _looks(model, looks, looks_boxes, looks_scene)
    poses = as_poses(
        model, looks.poses if poses is None else poses, pose_boxes, pose_scene, batch_size
    )
    size, _ = crop_settings(model.cfg)
    device = poses.joints_body.device
    rows = torch.arange(len(poses), device=device).repeat_interleave(len(turns))
    radians = torch.deg2rad(turns.to(device)).repeat(len(poses))
    behind = _background(background, looks, poses, size, device)
    made = []
    for part in torch.arange(len(rows), device=device).split(batch_size):
        seen = poses.take(rows[part]).turned(radians[part])
        decoded = model.place(seen.joints_body, seen.crop_camera)
        scene = None if behind is None else behind[rows[part] if len(behind) > 1 else [0]]
        painted = paint(model, decoded, looks.appearance, (size, size), scene)
        labels = painted.part_logits.argmax(1).to(torch.uint8)
        images = to_bytes(painted.image).permute(0, 2, 3, 1)
        made.append((images, labels, decoded["joints_cam"] * 1000, decoded["points"]))
    images, labels, joints, points = (
        torch.cat(values).cpu().numpy() for values in zip(*made, strict=True)
    )
    return SynthesisResult(
        images=images,
        part_labels=labels,
        joints_cam=joints,
        keypoints=(points + 1) / 2 * size - 0.5,
        views=turns.repeat(len(poses)).numpy(),
        looks_crops=looks.poses.crops,
        pose_crops=poses.crops,
    )


def _looks(model: nn.Module, looks, boxes, scene) -> PersonLooks:
    """Looks of whatever the user gave."""
    if not isinstance(looks, PersonLooks):
        return read_looks(model, looks, boxes, scene)
    if boxes is not None or scene is not None:
        raise ValueError(
            "looks_boxes and looks_scene belong to pictures; these looks have been read already: "
            "give them to read_looks."
        )
    size, _ = crop_settings(model.cfg)
    read = looks.poses.crops.shape[1]
    if read != size:
        raise ValueError(
            f"These looks were read by a model of {read}-pixel crops, this one has {size}, and "
            "features of one model say nothing to another. Read them with this model's read_looks."
        )
    return looks


def _turns(views: float | Sequence[float] | None) -> Tensor:
    """(V,) degrees."""
    values = np.atleast_1d(np.asarray(0.0 if views is None else views, dtype=object))
    try:
        turns = torch.tensor([float(value) for value in values.reshape(-1)])
    except (TypeError, ValueError):
        turns = torch.tensor([])
    if values.ndim != 1 or len(turns) == 0 or not torch.isfinite(turns).all():
        raise ValueError(
            f"views must be degrees, one number or several such as (0, 90, 180), got {views!r}."
        )
    return turns


def _background(
    background: str | Sequence[int] | Picture | None,
    looks: PersonLooks,
    poses: TargetPoses,
    size: int,
    device: torch.device,
) -> Tensor | None:
    """(1 or N, 3, S, S) in [-1, 1] behind the N poses; None for grey."""
    if background is None:
        return None
    if isinstance(background, str) and background in ("looks", "poses"):
        scenes = looks.poses.scenes if background == "looks" else poses.scenes
        if scenes is None:
            name = "looks_scene" if background == "looks" else "pose_scene"
            raise ValueError(
                f"background={background!r} needs the empty scene behind the {background}: give "
                f"{name}, a picture of the same camera without the person."
            )
        return to_images(scenes[:1] if background == "looks" else scenes, device)
    if isinstance(background, str | Path) or np.ndim(background) == 3:
        pictures = list(islice(iterate_pictures(background), 2))
        if len(pictures) != 1:
            raise ValueError(f"background must be one picture; {background} holds several.")
        (picture,) = pictures
        height, width = picture.shape[:2]
        square = np.array([(width - 1) / 2, (height - 1) / 2, min(height, width)])
        return to_images(crop_square(picture, square, size)[None], device)
    try:
        colour = np.asarray(background, dtype=np.float64)
    except (TypeError, ValueError):
        colour = np.zeros(0)
    if colour.shape != (3,) or not ((colour >= 0) & (colour <= 255)).all():
        raise ValueError(
            "background must be None, 'looks', 'poses', a picture or (R, G, B) of 0 to 255, got "
            f"{background!r}."
        )
    plain = np.broadcast_to(np.rint(colour).astype(np.uint8), (1, size, size, 3))
    return to_images(plain, device)
