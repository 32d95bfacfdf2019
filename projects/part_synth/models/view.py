"""Seeing a body-frame pose through the restricted camera of a person crop.

The camera of a crop is not known: its focal length and the person's distance act together. As in
the group's predecessor (arXiv 2006.14107) the camera is three angles and a restricted
translation with a fixed perspective; writing the translation as scale and offset in the crop is
this project's choice.

Symbols: B batch, N points. Body and camera frames as in :mod:`part_synth.geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from part_synth.geometry import view_rotation

# Nearest that anything seen comes to the camera, in distances of the pelvis.
_NEAR = 0.2


@dataclass
class CropCamera:
    """A batch of restricted cameras.

    Attributes:
        azimuth: (B,) radians; 0 faces the camera.
        elevation: (B,) radians; positive looks down at the person.
        roll: (B,) radians.
        scale: (B,) crop half-widths per metre at the pelvis' depth.
        offset: (B, 2) pelvis in crop coordinates [-1, 1].
        distance: metres from the camera to the pelvis, fixed or (B,): the strength of the
            perspective.
    """

    azimuth: Tensor
    elevation: Tensor
    roll: Tensor
    scale: Tensor
    offset: Tensor
    distance: Tensor | float

    def rotate(self, joints_body: Tensor) -> Tensor:
        """Turn (B, N, 3) body-frame points, metres, into the root-relative camera frame."""
        # Half precision would round joints to 4 mm.
        with torch.autocast(joints_body.device.type, enabled=False):
            rotation = view_rotation(self.azimuth, self.elevation, self.roll)
            return joints_body @ rotation.transpose(-1, -2)

    def project(self, points_cam: Tensor) -> Tensor:
        """Project (B, N, 3) root-relative camera-frame points, metres, into the crop.

        Returns:
            (B, N, 2) crop coordinates, [-1, 1] over the crop. They never turn over, but points
            nearer than :meth:`nearest_depth` can't be seen: whoever draws must leave them out.
        """
        distance = self.distance
        if isinstance(distance, Tensor):
            distance = distance[:, None]
        # Points before the near plane are seen as if they lay on it: behind the camera they would
        # turn over.
        closeness = (1 + points_cam[..., 2] / distance).clamp_min(_NEAR)
        scaled = points_cam[..., :2] * (self.scale[:, None] / closeness)[..., None]
        return scaled + self.offset[:, None]

    def mirrored(self, which: Tensor) -> CropCamera:
        """The cameras that see, of mirrored poses, the mirrored pictures; (B,) bool says whose."""
        sign = 1 - 2 * which.to(self.scale)
        return CropCamera(
            sign * self.azimuth,
            self.elevation,
            sign * self.roll,
            self.scale,
            torch.stack([sign * self.offset[:, 0], self.offset[:, 1]], dim=-1),
            self.distance,
        )

    def nearest_depth(self) -> Tensor:
        """(B,) depth of the near plane, metres from the pelvis, negative: it lies before it.

        A fifth of the pelvis' distance from the camera. What is nearer, or behind the camera, is
        in no picture.
        """
        return -(1 - _NEAR) * self.distance * torch.ones_like(self.scale)


def fit_to_crop(
    camera: CropCamera, points_cam: Tensor, extent: Tensor, centre: Tensor
) -> CropCamera:
    """Choose scale and offset so that the points fill a wanted part of the crop.

    Args:
        camera: Its angles and distance are kept.
        points_cam: (B, N, 3) root-relative camera-frame points, metres.
        extent: (B,) longer side of the points' box, in crop half-widths.
        centre: (B, 2) wanted centre of the points' box, crop coordinates.

    Returns:
        The camera with the new scale and offset.
    """
    unit = CropCamera(
        camera.azimuth,
        camera.elevation,
        camera.roll,
        torch.ones_like(extent),
        torch.zeros_like(centre),
        camera.distance,
    )
    flat = unit.project(points_cam)
    low, high = flat.amin(1), flat.amax(1)
    scale = extent / (high - low).amax(-1).clamp_min(1e-3)
    offset = centre - scale[:, None] * (low + high) / 2
    return CropCamera(camera.azimuth, camera.elevation, camera.roll, scale, offset, camera.distance)
