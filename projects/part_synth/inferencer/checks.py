"""What can be said of a call before the work: whether it can be done."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import numpy as np

from .sources import Source, WebcamSource

OUT_FORMATS = ("json", "csv", "npz", "bvh")


def check_options(source: Source, out_formats: Sequence[str], show: bool, smooth: float) -> None:
    """Raise if results can't be given as they are wanted.

    Args:
        source: Where frames come from.
        out_formats: Formats of poses.
        show: Whether there shall be windows.
        smooth: Seconds.

    Raises:
        ValueError: What is wrong.
    """
    unknown = [name for name in out_formats if name not in OUT_FORMATS]
    if unknown:
        raise ValueError(f"out_formats are {', '.join(OUT_FORMATS)}, got {unknown[0]!r}.")
    if "bvh" in out_formats and not source.is_video and source.num_frames > 1:
        raise ValueError(
            f"BVH files are written of videos and of single pictures only, {source.name} has "
            f"{source.num_frames} pictures; leave bvh out of out_formats (--formats)."
        )
    if not (np.isfinite(smooth) and smooth >= 0):
        raise ValueError(f"smooth must be seconds, at least 0, got {smooth!r}.")
    if show and sys.platform == "linux" and not _has_display():
        raise ValueError(
            "There is no display to show pictures on; leave show out and give vis_out_dir."
        )


def check_people(
    source: Source, finder: object, has_detector: bool, has_keypoints: bool, has_boxes: bool
) -> None:
    """Raise if it is not said, or said twice, where people and their 2D joints come from.

    Args:
        source: Where frames come from.
        finder: The model that sees people, or None.
        has_detector: Whether there is a detector, or frames are boxes.
        has_keypoints: Whether there is a file of 2D joints.
        has_boxes: Whether there are boxes.

    Raises:
        ValueError: What is wrong.
    """
    if has_keypoints:
        if finder is not None or has_boxes:
            raise ValueError(
                "2D joints come from a file; pose2d, an image model and bboxes have nothing "
                "to do then. Leave them or keypoints out."
            )
        if isinstance(source, WebcamSource):
            raise ValueError("A webcam needs a 2D model; a file of keypoints is of a video.")
        return
    if has_boxes and isinstance(source, WebcamSource):
        raise ValueError(
            "A webcam needs a detector (--det-model) or whole-frame; bboxes are of a video."
        )
    if finder is None:
        raise ValueError(
            "It is not said where 2D joints come from. Give a file of keypoints (mmpose, "
            "OpenPose, AlphaPose) with keypoints=FILE (--keypoints FILE), or a 2D model of "
            "mmpose with pose2d=CONFIG, pose2d_weights=CHECKPOINT (--pose2d, --pose2d-weights) "
            "and people's boxes: det_model and det_weights of mmdet, a file with bboxes=FILE "
            "(--bboxes FILE), or det_model='whole-frame'."
        )
    if finder.needs_boxes and not (has_detector or has_boxes):
        raise ValueError(
            "It is not said where people are. Give a detector of mmdet with det_model=CONFIG, "
            "det_weights=CHECKPOINT (--det-model, --det-weights), a file of boxes with "
            "bboxes=FILE (--bboxes FILE), or det_model='whole-frame' (--det-model whole-frame) "
            "for one person who fills the frame."
        )


def _has_display() -> bool:
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
