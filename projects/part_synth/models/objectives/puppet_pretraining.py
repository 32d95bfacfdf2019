"""Teach the encoder the puppet before it sees people."""

from __future__ import annotations

import torch
from torch import Tensor

from part_synth.models.puppet_bank import PuppetBank
from part_synth.models.puppet_painter import PuppetPainter
from part_synth.registry import MODELS

from .base import Objective, build_part, config_of, flat_frames, scenes_of


@MODELS.register_module()
class PuppetPretraining(Objective):
    """Read pose and camera off painted puppets of unpaired poses.

    The painted puppet is the cheapest synthesised image of an unpaired pose: the cycle pose ->
    part maps -> image -> encoder must return the pose. Backgrounds are those of the videos where
    the camera is static, else what the frames show beside the person.

    Args:
        painter: Config of the puppet painter.
        reading_loss: Config of the loss between encoding and known pose; None leaves it out.
        parts_loss: Config of the loss between the parts that the encoder's head reads and the
            puppet's own; unused without such a head; None leaves it out.
        batch_size: Puppets per step.
        fresh: Puppets painted per step; the others come from those painted before in the same
            epoch.
        bank_size: Most puppets kept.
        start: Puppets painted before the first step of an epoch, lest its first steps see few
            puppets again and again; None = two batches.
        vary: How a puppet is changed when it is seen again: arguments of
            :meth:`~part_synth.models.puppet_bank.KeptPuppets.varied`. None shows it as painted.
    """

    def __init__(
        self,
        painter: dict = config_of("PuppetPainter"),  # noqa: B008
        reading_loss: dict | None = config_of("PoseReadingLoss"),  # noqa: B008
        parts_loss: dict | None = config_of("PartReadingLoss"),  # noqa: B008
        batch_size: int = 64,
        fresh: int = 16,
        bank_size: int = 8192,
        start: int | None = None,
        vary: dict | None = None,
        optimizers: tuple[str, ...] = ("encoder",),
    ) -> None:
        super().__init__(optimizers)
        self.start = 2 * batch_size if start is None else start
        if min(batch_size, fresh, bank_size, self.start) < 1:
            raise ValueError(
                "PuppetPretraining needs batch_size, fresh, bank_size and start of at least 1, "
                f"got {batch_size}, {fresh}, {bank_size} and {self.start}"
            )
        self.need_one_of(reading_loss=reading_loss, parts_loss=parts_loss)
        self.painter: PuppetPainter = MODELS.build(painter)
        self.reading_loss = build_part(reading_loss)
        self.parts_loss = build_part(parts_loss)
        self.batch_size = batch_size
        self.fresh = fresh
        self.vary = vary
        self.bank = PuppetBank(bank_size)

    def start_epoch(self) -> None:
        """Start an epoch with an empty bank, so that a resumed run sees the same puppets."""
        self.bank.clear()

    @torch.no_grad()
    def _paint(self, model, inputs: dict[str, Tensor]) -> None:
        count = self.fresh if self.bank.count else self.start
        scenes = scenes_of(*flat_frames(inputs))
        rows = torch.randint(len(scenes), (count,), device=scenes.device)
        poses = model.draw_unpaired_poses(count)
        with torch.autocast(scenes.device.type, enabled=False):
            puppets = self.painter(model.puppet, poses, scenes[rows])
        self.bank.add(puppets)

    def loss(self, model, inputs, data_samples) -> dict[str, Tensor]:
        """See :meth:`Objective.loss`; the batch gives only backgrounds."""
        self._paint(model, inputs)
        puppets = self.bank.draw(self.batch_size)
        if self.vary is not None:
            puppets = puppets.varied(model.puppet.part_mirror, **self.vary)
        joints_body, camera = puppets.joints_body, puppets.camera
        # Where the videos' backgrounds are unknown, those of puppets must be too.
        backgrounds = puppets.backgrounds if "background" in inputs else None
        encoding = model.encoder(puppets.images, backgrounds)
        decoded = model.decode(encoding)
        losses = {}
        if self.reading_loss is not None:
            joints_cam = camera.rotate(joints_body)
            losses = self.reading_loss(
                encoding,
                decoded,
                joints_cam=joints_cam,
                points=camera.project(joints_cam),
                joints_body=joints_body,
                camera=camera,
            )
        if encoding.part_logits is not None and self.parts_loss is not None:
            losses["loss_parts"] = self.parts_loss(encoding.part_logits, puppets.part_labels)
        with torch.no_grad():
            error = (decoded["joints_body"] - joints_body).norm(dim=-1).mean()
        return {**self.need_some(losses), "puppet_mpjpe_mm": 1000 * error}
