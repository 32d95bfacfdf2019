"""2D joints as mmpose's 3D inferencer gives them, for a lifter of this project."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpose.structures import PoseDataSample

from part_synth.geometry import aim_points, far_camera
from part_synth.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackKeypointWindow(BaseTransform):
    """Pack a window of one person's 2D joints for ``part_synth.LiftingModel``.

    Reads ``keypoints`` (T, 17, 2), Human3.6M's order, px or scaled by the person's box: size and
    place in the picture do not matter, every frame is taken as seen from far away by a camera that
    looks at the root. Gives ``inputs`` with ``points`` (T, 17, 2) and an empty ``PoseDataSample``.
    """

    def transform(self, results: dict) -> dict:
        """Pack."""
        pixels = torch.from_numpy(np.asarray(results["keypoints"], dtype=np.float64))
        points, _ = aim_points(pixels, *far_camera(pixels))
        return {"inputs": {"points": points.float()}, "data_samples": PoseDataSample()}
