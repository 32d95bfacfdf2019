"""The cycle pose -> part maps -> image with somebody's looks -> encoder must return the pose."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from part_synth.models.synthesizer import Appearance
from part_synth.registry import MODELS

from .base import Objective, build_part, config_of, flat_frames, scenes_of


@MODELS.register_module()
class SynthesisCycle(Objective):
    """Read pose and camera off synthesised images of unpaired poses.

    The cycle is that of Kundu et al. (CVPR 2020) as others recall it; the paper was not at hand.
    Unlike painted puppets these wear the looks of the people in the videos, and the decoder has
    learned on real frames how people differ from puppets. The image gets no gradient: a decoder
    that could be taught to make reading easy would hide a code in it.

    Args:
        painter: Config of the puppet painter; draws the cameras.
        reading_loss: Config of the loss between encoding and known pose; None leaves it out.
        parts_loss: Config of the loss between the parts that the encoder's head reads and those
            that were painted; None leaves it out.
        energy: Config of a loss between the synthesised image and what the decoder paints of its
            reading: the decoder, used again, judges instead of a discriminator, as the group's
            predecessor does for moving cameras (arXiv 2006.14107). None = none.
        appearance_cycle: Config of a loss between the looks of the synthesised image and those it
            was painted with. It teaches the painter alone, so ``optimizers`` must name the
            painter's too. None = none.
        repeats: Poses for each real frame of the batch.
        blur: Width of the template's edge, pixels.
    """

    def __init__(
        self,
        painter: dict = config_of("PuppetPainter"),  # noqa: B008
        reading_loss: dict | None = config_of("PoseReadingLoss"),  # noqa: B008
        parts_loss: dict | None = config_of("PartReadingLoss"),  # noqa: B008
        energy: dict | None = None,
        appearance_cycle: dict | None = None,
        repeats: int = 2,
        blur: float = 1.0,
        optimizers: tuple[str, ...] = ("encoder",),
    ) -> None:
        super().__init__(optimizers)
        self.need_one_of(
            reading_loss=reading_loss,
            parts_loss=parts_loss,
            energy=energy,
            appearance_cycle=appearance_cycle,
        )
        self.painter = MODELS.build(painter)
        self.reading_loss = build_part(reading_loss)
        self.parts_loss = build_part(parts_loss)
        self.energy = build_part(energy)
        self.appearance_cycle = build_part(appearance_cycle)
        self.repeats = repeats
        self.blur = blur

    @torch.no_grad()
    def _looks(self, model, images: Tensor, background: Tensor | None, frames: int) -> Appearance:
        """Looks of the frames' people, from their other frames, ``repeats`` times."""
        encoding = model.encoder(images, background)
        maps = model.render(model.decode(encoding), images.shape[-2:], blur=self.blur)
        looks = model.appearance(images, maps, frames)
        return Appearance(*(x.repeat(self.repeats, 1, 1) for x in vars(looks).values()))

    def loss(self, model, inputs, data_samples) -> dict[str, Tensor]:
        """See :meth:`Objective.loss`."""
        images, background = flat_frames(inputs)
        looks = self._looks(model, images, background, inputs["image"].shape[1])
        scenes = scenes_of(images, background).repeat(self.repeats, 1, 1, 1)
        with torch.no_grad():
            joints_body = model.draw_unpaired_poses(len(scenes))
            camera = self.painter.draw_camera(model.puppet.extend_joints(joints_body))
            placed = model.place(joints_body, camera)
            maps = model.render(placed, images.shape[-2:], blur=self.blur)
        trains_painter = self.appearance_cycle is not None and torch.is_grad_enabled()
        with torch.set_grad_enabled(trains_painter):
            synthesized = model.decoder(maps, looks, scenes)
        image = synthesized.image.detach()
        encoding = model.encoder(image, None if background is None else scenes)
        decoded = model.decode(encoding)
        losses = {}
        if self.reading_loss is not None:
            known = {key: placed[key] for key in ("joints_body", "joints_cam", "points")}
            losses = self.reading_loss(encoding, decoded, camera=camera, **known)
        if self.appearance_cycle is not None:
            found = model.appearance(synthesized.image, maps, 1)
            losses["loss_appearance"] = self.appearance_cycle(found, looks, maps)
        if encoding.part_logits is not None and self.parts_loss is not None:
            labels = synthesized.part_logits.argmax(1, keepdim=True).float()
            small = F.interpolate(labels, encoding.part_logits.shape[-2:], mode="nearest-exact")
            losses["loss_parts"] = self.parts_loss(encoding.part_logits, small[:, 0])
        if self.energy is not None:
            read = model.render(decoded, images.shape[-2:], blur=self.blur)
            again = model.decoder(read, looks, scenes)
            weight = maps.foreground[:, None].maximum(read.foreground[:, None].detach())
            losses["loss_energy"] = self.energy(again.image, image, weight)
        return self.need_some(losses)
