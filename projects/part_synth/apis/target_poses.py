"""Poses before cameras and the looks of a person, as synthesis takes them.

Symbols: N poses, K = 17 joints, S side of the crops, px. The body frame has x to the person's left,
y down and z to the back, so that a pose in it faces a camera of azimuth 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from part_synth.models.synthesizer import Appearance
from part_synth.models.view import CropCamera

_CAMERA_FIELDS = ("azimuth", "elevation", "roll", "scale", "offset")


@dataclass
class TargetPoses:
    """N poses, each before a camera, as :meth:`part_synth.models.PartSynth.place` takes them.

    Attributes:
        joints_body: (N, K, 3) metres, body frame.
        crop_camera: N cameras.
        crops: (N, S, S, 3) uint8 RGB, the pictures that they were read from; None for 3D poses.
        scenes: (N, S, S, 3) uint8 RGB, the empty scenes behind them; None where they are unknown.
    """

    joints_body: Tensor
    crop_camera: CropCamera
    crops: np.ndarray | None = None
    scenes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.joints_body)

    def take(self, rows: Sequence[int] | Tensor) -> TargetPoses:
        """Poses of some rows (M,), with their pictures."""
        rows = torch.as_tensor(rows, dtype=torch.long, device=self.joints_body.device)
        numbers = rows.cpu().numpy()
        camera = {name: getattr(self.crop_camera, name)[rows] for name in _CAMERA_FIELDS}
        return TargetPoses(
            self.joints_body[rows],
            replace(self.crop_camera, **camera),
            None if self.crops is None else self.crops[numbers],
            None if self.scenes is None else self.scenes[numbers],
        )

    def turned(self, radians: Tensor) -> TargetPoses:
        """The people turned by (N,) rad about the vertical, clockwise seen from above."""
        azimuth = self.crop_camera.azimuth + radians
        return replace(self, crop_camera=replace(self.crop_camera, azimuth=azimuth))


def join_poses(parts: Sequence[TargetPoses]) -> TargetPoses:
    """Poses of several readings in one; pictures stay where all parts have them."""
    cameras = [part.crop_camera for part in parts]
    joined = {name: torch.cat([getattr(c, name) for c in cameras]) for name in _CAMERA_FIELDS}
    pictures = (
        None if any(rows is None for rows in column) else np.concatenate(column)
        for column in ([part.crops for part in parts], [part.scenes for part in parts])
    )
    joints_body = torch.cat([part.joints_body for part in parts])
    return TargetPoses(joints_body, replace(cameras[0], **joined), *pictures)


@dataclass
class PersonLooks:
    """The looks of one person.

    Attributes:
        appearance: Colours and features of the parts, one entry.
        poses: The poses in the pictures that show the person.
    """

    appearance: Appearance
    poses: TargetPoses
