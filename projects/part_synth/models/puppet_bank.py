"""A ring of painted puppets, since painting one costs as much as learning from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .novel_images import to_bytes
from .puppet_painter import PaintedPuppets
from .view import CropCamera

_CAMERA_FIELDS = ("azimuth", "elevation", "roll", "scale", "offset", "distance")


@dataclass
class KeptPuppets:
    """Painted puppets out of a bank.

    Attributes:
        images: (B, 3, H, W) in [-1, 1].
        backgrounds: (B, 3, H, W) the same scenes without puppet and shadow, in [-1, 1].
        part_labels: (B, H / 2, W / 2) uint8 visible part, 0 for background.
        joints_body: (B, 17, 3) their poses, body frame, metres.
        camera: Their cameras.
    """

    images: Tensor
    backgrounds: Tensor
    part_labels: Tensor
    joints_body: Tensor
    camera: CropCamera


def _columns(puppets: PaintedPuppets) -> dict[str, Tensor]:
    count, camera = len(puppets.images), puppets.camera
    cameras = [getattr(camera, name).reshape(count, -1) for name in _CAMERA_FIELDS]
    return {
        "images": to_bytes(puppets.images),
        "backgrounds": to_bytes(puppets.backgrounds),
        "parts": F.avg_pool2d(puppets.maps.parts, 2).argmax(1).to(torch.uint8),
        "joints": puppets.joints_body,
        "cameras": torch.cat(cameras, dim=1),
    }


class PuppetBank:
    """Puppets painted before, the oldest overwritten first.

    Args:
        size: Puppets held; images are kept as uint8.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget all puppets."""
        self.kept: dict[str, Tensor] = {}
        self.count = 0
        self.cursor = 0

    def add(self, puppets: PaintedPuppets) -> None:
        """Store puppets; they must have their maps."""
        # What would be overwritten at once need not be written.
        columns = {name: column[-self.size :] for name, column in _columns(puppets).items()}
        if any(
            self.kept.get(name) is None or self.kept[name].shape[1:] != column.shape[1:]
            for name, column in columns.items()
        ):
            self.clear()
            self.kept = {
                name: column.new_empty((self.size, *column.shape[1:]))
                for name, column in columns.items()
            }
        count = len(columns["images"])
        device = columns["images"].device
        rows = (self.cursor + torch.arange(count, device=device)) % self.size
        for name, column in columns.items():
            self.kept[name][rows] = column
        self.cursor = (self.cursor + count) % self.size
        self.count = min(self.count + count, self.size)

    def draw(self, batch: int) -> KeptPuppets:
        """Random puppets."""
        rows = torch.randint(self.count, (batch,), device=self.kept["images"].device)
        drawn = {name: column[rows] for name, column in self.kept.items()}
        cameras = drawn["cameras"]
        return KeptPuppets(
            images=drawn["images"].float() / 127.5 - 1,
            backgrounds=drawn["backgrounds"].float() / 127.5 - 1,
            part_labels=drawn["parts"],
            joints_body=drawn["joints"],
            camera=CropCamera(*cameras[:, :4].unbind(1), cameras[:, 4:6], cameras[:, 6]),
        )
