"""Teach the encoder the puppet before it sees people."""

from __future__ import annotations

import torch
from torch import Tensor

from part_synth.models.puppet_painter import PaintedPuppets, PuppetPainter
from part_synth.models.view import CropCamera
from part_synth.registry import MODELS

from .base import Objective

_CAMERA_FIELDS = ("azimuth", "elevation", "roll", "scale", "offset", "distance")


def _to_bytes(images: Tensor) -> Tensor:
    return ((images + 1) * 127.5).round().to(torch.uint8)


class PuppetBank:
    """A ring of painted puppets, since painting costs as much as learning from them.

    Args:
        size: Puppets held; images are kept as uint8.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget all puppets."""
        self.images: Tensor | None = None
        self.backgrounds: Tensor | None = None
        self.joints: Tensor | None = None
        self.cameras: Tensor | None = None
        self.count = 0
        self.cursor = 0

    def add(self, puppets: PaintedPuppets) -> None:
        """Store puppets."""
        count, camera = len(puppets.images), puppets.camera
        columns = [getattr(camera, name).reshape(count, -1) for name in _CAMERA_FIELDS]
        # What would be overwritten at once need not be written.
        images, backgrounds, joints_body, cameras = (
            column[-self.size :]
            for column in (
                puppets.images,
                puppets.backgrounds,
                puppets.joints_body,
                torch.cat(columns, dim=1),
            )
        )
        if self.images is None or self.images.shape[1:] != images.shape[1:]:
            self.clear()
            self.images = images.new_empty((self.size, *images.shape[1:]), dtype=torch.uint8)
            self.backgrounds = torch.empty_like(self.images)
            self.joints = joints_body.new_empty((self.size, *joints_body.shape[1:]))
            self.cameras = cameras.new_empty((self.size, cameras.shape[1]))
        rows = (self.cursor + torch.arange(len(images), device=images.device)) % self.size
        self.images[rows] = _to_bytes(images)
        self.backgrounds[rows] = _to_bytes(backgrounds)
        self.joints[rows] = joints_body
        self.cameras[rows] = cameras
        self.cursor = (self.cursor + len(images)) % self.size
        self.count = min(self.count + len(images), self.size)

    def draw(self, batch: int) -> PaintedPuppets:
        """Random puppets."""
        rows = torch.randint(self.count, (batch,), device=self.images.device)
        columns = self.cameras[rows]
        camera = CropCamera(*columns[:, :4].unbind(1), columns[:, 4:6], columns[:, 6])
        images, backgrounds = (
            kept[rows].float() / 127.5 - 1 for kept in (self.images, self.backgrounds)
        )
        return PaintedPuppets(images, backgrounds, self.joints[rows], camera)


@MODELS.register_module()
class PuppetPretraining(Objective):
    """Read pose and camera off painted puppets of unpaired poses.

    The painted puppet is the cheapest synthesised image of an unpaired pose: the cycle pose ->
    part maps -> image -> encoder must return the pose. Backgrounds are those of the videos where
    the camera is static, else the frames themselves.

    Args:
        painter: Config of the puppet painter.
        reading_loss: Config of the loss between encoding and known pose.
        batch_size: Puppets per step.
        fresh: Puppets painted per step; the others come from those painted before in the same
            epoch.
        bank_size: Most puppets kept.
    """

    def __init__(
        self,
        painter: dict | None = None,
        reading_loss: dict | None = None,
        batch_size: int = 64,
        fresh: int = 16,
        bank_size: int = 8192,
        optimizers: tuple[str, ...] = ("encoder",),
    ) -> None:
        super().__init__(optimizers)
        if min(batch_size, fresh, bank_size) < 1:
            raise ValueError(
                "PuppetPretraining needs batch_size, fresh and bank_size of at least 1, got "
                f"{batch_size}, {fresh} and {bank_size}"
            )
        self.painter: PuppetPainter = MODELS.build(painter or {"type": "part_synth.PuppetPainter"})
        self.reading_loss = MODELS.build(reading_loss or {"type": "part_synth.PoseReadingLoss"})
        self.batch_size = batch_size
        self.fresh = fresh
        self.bank = PuppetBank(bank_size)

    def start_epoch(self) -> None:
        """Start an epoch with an empty bank, so that a resumed run sees the same puppets."""
        self.bank.clear()

    @torch.no_grad()
    def _paint(self, model, inputs: dict[str, Tensor]) -> None:
        # An empty bank starts with two batches, lest the first steps see few puppets again and
        # again.
        count = self.fresh if self.bank.count else 2 * self.batch_size
        scenes = inputs.get("background", inputs["image"]).flatten(0, 1)
        rows = torch.randint(len(scenes), (count,), device=scenes.device)
        poses = model.draw_unpaired_poses(count)
        with torch.autocast(scenes.device.type, enabled=False):
            puppets = self.painter(model.puppet, poses, scenes[rows])
        self.bank.add(puppets)

    def loss(self, model, inputs, data_samples) -> dict[str, Tensor]:
        """See :meth:`Objective.loss`; the batch gives only backgrounds."""
        self._paint(model, inputs)
        puppets = self.bank.draw(self.batch_size)
        joints_body, camera = puppets.joints_body, puppets.camera
        # Where the videos' backgrounds are unknown, those of puppets must be too.
        backgrounds = puppets.backgrounds if "background" in inputs else None
        encoding = model.encoder(puppets.images, backgrounds)
        decoded = model.decode(encoding)
        joints_cam = camera.rotate(joints_body)
        losses = self.reading_loss(
            encoding,
            decoded,
            joints_cam=joints_cam,
            points=camera.project(joints_cam),
            joints_body=joints_body,
            camera=camera,
        )
        with torch.no_grad():
            error = (decoded["joints_body"] - joints_body).norm(dim=-1).mean()
        return {**losses, "puppet_mpjpe_mm": 1000 * error}
