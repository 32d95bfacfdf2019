"""3D labels that models make for frames that have none, from 2D joints or from pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log

from part_synth.datasets.frame_index import FrameGroups, FrameIndex
from part_synth.datasets.image_readings import agree_over_views, forget_disagreeing, read_images
from part_synth.datasets.intrinsics import frame_intrinsics
from part_synth.geometry import aim_points

_BATCH = 4096
_OPTIONS = {
    "lifter": None,
    "image_model": None,
    "weight": 0.8,
    "agree": False,
    "camera_scope": "person",
    "keep": 1.0,
}


@dataclass
class PseudoLabels:
    """Labels of N frames that no person made.

    Attributes:
        joints: (N, 17, 3) float32, camera frame, root at the origin, metres; NaN where none.
        keypoints: (N, 17, 2) float32, px; NaN where none.
    """

    joints: np.ndarray
    keypoints: np.ndarray


def checked_options(options: Mapping) -> dict:
    """The options of :func:`make_pseudo_labels` with their defaults.

    Raises:
        ValueError: It is no dict, an option is unknown, two models are named, or a value is wrong.
    """
    if not isinstance(options, Mapping) or set(options) - set(_OPTIONS):
        raise ValueError(
            f"`pseudo_labels` must be a dict of {', '.join(_OPTIONS)}, or None; got {options!r}."
        )
    options = {**_OPTIONS, **options}
    weight = options["weight"]
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
        raise ValueError(f"`weight` of the pseudo-labels must be in (0, 1], got {weight!r}.")
    if options["lifter"] is not None and options["image_model"] is not None:
        raise ValueError(
            "`pseudo_labels` takes a `lifter` of 2D joints or an `image_model`, not both."
        )
    if not isinstance(options["agree"], bool):
        raise ValueError(
            f"`agree` of the pseudo-labels is True or False, got {options['agree']!r}."
        )
    if options["camera_scope"] not in ("person", "clip"):
        raise ValueError(
            "`camera_scope` of the pseudo-labels is 'person' or 'clip', got "
            f"{options['camera_scope']!r}."
        )
    if options["camera_scope"] != _OPTIONS["camera_scope"] and not options["agree"]:
        raise ValueError(
            f"`camera_scope={options['camera_scope']!r}` of the pseudo-labels says for how long "
            "cameras stand still, which only `agree=True` reads: set that, or leave it out."
        )
    keep = options["keep"]
    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep <= 1:
        raise ValueError(f"`keep` of the pseudo-labels must be in (0, 1], got {keep!r}.")
    return options


def make_pseudo_labels(index: FrameIndex, instants: FrameGroups, options: Mapping) -> PseudoLabels:
    """Labels for the frames of a data set.

    Args:
        index: The frames.
        instants: Which of them show one instant; frames in none get no label from pictures.
        options: As :func:`checked_options` returns them: ``image_model`` (see
            :func:`~part_synth.datasets.image_readings.read_images`) reads the pictures and no 2D
            joint; without one ``lifter`` (see :func:`lift_frames`) lifts the 2D joints. ``agree``
            replaces both by what the views of an instant agree on, with cameras that stand still
            for a ``camera_scope``. Below 1 ``keep`` leaves labels to that share of the instants
            whose views agree best, before ``agree``.
    """
    if options["image_model"] is not None:
        frames = np.sort(instants.order)
        labels = read_images(index, frames, options["image_model"])
    else:
        labels = lift_frames(index, options["lifter"]), index.keypoints
    if options["keep"] < 1:
        labels = forget_disagreeing(instants, labels[0], options["keep"]), labels[1]
    if options["agree"]:
        labels = agree_over_views(index, instants, *labels, options["camera_scope"])
    return PseudoLabels(*labels)


@torch.no_grad()
def lift_frames(
    index: FrameIndex, lifter: Sequence[str | Path] | torch.nn.Module | None = None
) -> np.ndarray:
    """Lift the 2D joints of all frames of a data set.

    Args:
        index (FrameIndex): The frames; its ``keypoints`` may be annotated or detected.
        lifter: None for the package's own, (config, checkpoint), or a ``LiftingModel``; of single
            frames.

    Returns:
        np.ndarray: (N, 17, 3) float32, camera frame, root at the origin, metres for a person of
        ordinary size; NaN for frames that lack a 2D joint (NaN, or visibility 0), which the log
        counts.

    Raises:
        ValueError: If the lifter needs clips, or no frame has all 2D joints.
    """
    from part_synth.apis.zoo import load_lifter

    model = load_lifter(lifter)
    if model.lifter.num_frames != 1:
        raise ValueError(
            f"Pseudo-labels need a lifter of single frames, this one reads "
            f"{model.lifter.num_frames}; train one with part_synth.FrameLifter."
        )
    # A visibility of NaN is none.
    whole = np.isfinite(index.keypoints).all((1, 2)) & (index.keypoints_visible > 0).all(1)
    if not whole.any():
        raise ValueError(
            f"None of the {len(index)} frames has all {index.keypoints.shape[1]} 2D joints, so "
            "there is nothing to lift (a visibility of 0 counts as missing); fill them in the file "
            "of 2D joints, or leave pseudo_labels out."
        )
    if not whole.all():
        print_log(
            f"{index.root}: {(~whole).sum()} of {len(index)} frames lack 2D joints and get no "
            "pseudo-label.",
            logger="current",
            level=logging.WARNING,
        )
    lifted = np.full((*index.keypoints.shape[:2], 3), np.nan, dtype=np.float32)
    index = index.select(whole)
    pixels = torch.from_numpy(index.keypoints).float()
    points, rotation = aim_points(pixels, *frame_intrinsics(index, str(index.root)))
    poses = [model.poses(part[:, None]) for part in points.split(_BATCH)]
    # Back from the camera that looks at the root to the one that took the picture.
    lifted[whole] = (torch.cat(poses).float() @ rotation).numpy()
    return lifted
