"""3D labels made from 2D joints by a lifter, for frames that have none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log

from part_synth.datasets.frame_index import FrameIndex
from part_synth.datasets.intrinsics import frame_intrinsics
from part_synth.geometry import aim_points

_BATCH = 4096


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
        ordinary size; NaN for frames that lack a 2D joint, which the log counts.

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
    whole = np.isfinite(index.keypoints).all((1, 2))
    if not whole.any():
        raise ValueError(
            f"None of the {len(index)} frames has all {index.keypoints.shape[1]} 2D joints, so "
            "there is nothing to lift; fill them in the file of 2D joints, or leave pseudo_labels "
            "out."
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
