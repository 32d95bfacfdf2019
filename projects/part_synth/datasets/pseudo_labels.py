"""3D labels made from 2D joints by a lifter, for frames that have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

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
        ordinary size.

    Raises:
        ValueError: If the lifter needs clips, or 2D joints are missing.
    """
    from part_synth.apis.zoo import load_lifter

    model = load_lifter(lifter)
    if model.lifter.num_frames != 1:
        raise ValueError(
            f"Pseudo-labels need a lifter of single frames, this one reads "
            f"{model.lifter.num_frames}; train one with part_synth.FrameLifter."
        )
    broken = ~np.isfinite(index.keypoints).all((1, 2))
    if broken.any():
        raise ValueError(
            f"{broken.sum()} of {len(index)} frames have no complete 2D joints to lift; fill them "
            "in the file of 2D joints, or leave pseudo_labels out."
        )
    pixels = torch.from_numpy(index.keypoints).float()
    points, rotation = aim_points(pixels, *frame_intrinsics(index, str(index.root)))
    poses = [model.poses(part[:, None]) for part in points.split(_BATCH)]
    # Back from the camera that looks at the root to the one that took the picture.
    return (torch.cat(poses).float() @ rotation).numpy()
