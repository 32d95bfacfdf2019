"""Focal length and principal point of every frame, known or guessed."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.logging import print_log

from part_synth.datasets.frame_index import FrameIndex
from part_synth.geometry import far_camera


def frame_intrinsics(index: FrameIndex, source: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Intrinsics to aim the 2D joints of frames with.

    Args:
        index: N frames with finite 2D joints.
        source: Name of the data set, for the log.

    Returns:
        Focal lengths and principal points (N, 2) float32, px; guessed where they are not known.
    """
    focal = index.cameras.focal[index.camera_id]
    centre = index.cameras.centre[index.camera_id]
    unknown = ~(np.isfinite(focal).all(1) & np.isfinite(centre).all(1))
    if unknown.any():
        # Without a camera every person is looked at straight on, from far away.
        print_log(
            f"{source}: cameras of {int(unknown.sum())} frames are not known; each person is taken "
            "as if in the middle of the picture.",
            logger="current",
        )
        guessed = far_camera(torch.from_numpy(index.keypoints[unknown]))
        focal[unknown], centre[unknown] = (values.numpy() for values in guessed)
    return torch.from_numpy(focal.astype(np.float32)), torch.from_numpy(centre.astype(np.float32))
