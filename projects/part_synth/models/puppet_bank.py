"""A ring of painted puppets, since painting one costs as much as learning from it.

Each is seen many times; :meth:`KeptPuppets.varied` shows it otherwise each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from part_synth.geometry import mirror

from .novel_images import change_light, to_bytes
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

    def varied(
        self,
        part_mirror: Tensor,
        permuted: float = 0.3,
        gain: float = 0.2,
    ) -> KeptPuppets:
        """Half of them mirrored, all in other colours; so are their scenes.

        Args:
            part_mirror: (P + 1,) what each part becomes in the mirror (``Puppet.part_mirror``).
            permuted: Share of puppets whose colour channels are exchanged.
            gain: Largest relative change of a colour channel.
        """
        batch, device = len(self.images), self.images.device
        flip = torch.rand(batch, device=device) < 0.5
        order = torch.rand(batch, 3, device=device).argsort(1)
        free = torch.rand(batch, 1, device=device) < permuted
        order = torch.where(free, order, torch.arange(3, device=device))
        factor = 1 + gain * (2 * torch.rand(batch, 3, 1, 1, device=device) - 1)

        def change(images: Tensor) -> Tensor:
            images = torch.where(_as(flip, images), images.flip(-1), images)
            images = images.gather(1, order[..., None, None].expand_as(images))
            return change_light(images, factor)

        labels = part_mirror.to(self.part_labels)[self.part_labels.flip(-1).long()]
        poses = self.joints_body
        return KeptPuppets(
            images=change(self.images),
            backgrounds=change(self.backgrounds),
            part_labels=torch.where(_as(flip, labels), labels, self.part_labels),
            joints_body=torch.where(_as(flip, poses), mirror(poses), poses),
            camera=self.camera.mirrored(flip),
        )


def _as(mask: Tensor, like: Tensor) -> Tensor:
    """(B,) mask, broadcast over the other dimensions of (B, ...)."""
    return mask.view(-1, *(1,) * (like.ndim - 1))


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
