"""Cropping a crop anew: what moves with its pixels.

Symbols: B batch, N points, H x W image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .view import CropCamera


@dataclass
class CropChange:
    """A similarity of the crop: a new crop's point u' shows the old one's ``A u' + t``.

    Attributes:
        matrix: (B, 2, 2) A, a rotation times a factor.
        shift: (B, 2) t, crop half-widths.
        angle: (B,) the rotation of A, radians.
    """

    matrix: Tensor
    shift: Tensor
    angle: Tensor

    @classmethod
    def draw(cls, like: Tensor, scale: float, shift: float, roll: float) -> CropChange:
        """Random changes for (B, ...) images: log factor, shift and angle up to these."""

        def symmetric(*size: int) -> Tensor:
            return torch.rand(len(like), *size, device=like.device) * 2 - 1

        factor, angle = (scale * symmetric()).exp(), roll * symmetric()
        cos, sin = angle.cos() * factor, angle.sin() * factor
        matrix = torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))
        return cls(matrix, shift * symmetric(2), angle)

    def _grid(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        theta = torch.cat([self.matrix, self.shift[..., None]], dim=-1).to(dtype)
        return F.affine_grid(theta, list(shape), align_corners=False)

    def images(self, images: Tensor) -> Tensor:
        """Show (B, C, H, W) images or maps in the new crops; what was outside repeats the edge."""
        grid = self._grid(images.shape, images.dtype)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def labels(self, labels: Tensor) -> Tensor:
        """Show (B, h, w) integer labels of the crops in the new ones; outside lies label 0."""
        grid = self._grid((len(labels), 1, *labels.shape[1:]), torch.float32)
        moved = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
        return moved[:, 0].to(labels.dtype)

    def points(self, points: Tensor) -> Tensor:
        """Where (B, N, 2) points of the old crops lie in the new ones."""
        return torch.linalg.solve(
            self.matrix, (points - self.shift[:, None]).transpose(1, 2)
        ).transpose(1, 2)

    def turn(self, joints_cam: Tensor) -> Tensor:
        """(B, N, 3) root-relative camera-frame joints as the rolled camera has them, metres."""
        cos, sin = self.angle.cos()[:, None], self.angle.sin()[:, None]
        x, y, z = joints_cam.unbind(-1)
        return torch.stack([cos * x + sin * y, cos * y - sin * x, z], dim=-1)

    def camera(self, camera: CropCamera) -> CropCamera:
        """The cameras of the new crops."""
        return CropCamera(
            camera.azimuth,
            camera.elevation,
            camera.roll - self.angle,
            camera.scale / torch.linalg.det(self.matrix).sqrt(),
            self.points(camera.offset[:, None])[:, 0],
            camera.distance,
        )
