"""A real frame must be read alike however it is cropped, mirrored, lit or set before its scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from part_synth.models.novel_images import change_light
from part_synth.registry import MODELS

from .base import Objective, build_part, config_of, flat_frames


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

    def images(self, images: Tensor) -> Tensor:
        """Show (B, C, H, W) images or maps in the new crops; what was outside repeats the edge."""
        theta = torch.cat([self.matrix, self.shift[..., None]], dim=-1).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)

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


def shows_one_instant(sample) -> bool:
    """Whether the frames of a sample are several cameras' views of one instant."""
    cameras, frames = sample.metainfo.get("camera"), sample.metainfo.get("frame")
    return (
        isinstance(cameras, list)
        and len(set(cameras)) > 1
        and len({int(f) for f in frames}) == 1
        and not isinstance(sample.metainfo.get("clip"), list)
    )


@MODELS.register_module()
class ReadingConsistency(Objective):
    """Read an altered real frame as the unaltered one is read.

    The reading of the frame, averaged with that of its mirror image, is the target and gets no
    gradient; the altered frame is cropped and turned anew,
    lit and coloured otherwise, and shown without its background now and then, so that what the
    empty scene tells the encoder is learned for pictures whose scene is unknown. Frames that
    several cameras took at one instant have one body-frame pose, the mean of their readings.
    Consistency of views and of left and right as a teacher is this project's form of it.

    Args:
        reading_loss: Config of the loss between encoding and target; None leaves it out.
        parts_weight: Weight of the cross-entropy between both readings of the parts; None or 0
            leaves it out.
        scale: Largest log factor of the new crop.
        shift: Largest shift of its centre, crop half-widths.
        roll: Largest turn, radians.
        withhold: Share of altered frames that lose their background.
        colour: Largest relative change of a colour channel.
        mirror: Average the target with the reading of the mirror image (left-right consistency).
            None does what the model does at test time (its ``flip_test``).
    """

    def __init__(
        self,
        reading_loss: dict | None = config_of("PoseReadingLoss"),  # noqa: B008
        parts_weight: float | None = 3.0,
        scale: float = 0.15,
        shift: float = 0.1,
        roll: float = math.radians(8),
        withhold: float = 0.5,
        colour: float = 0.3,
        mirror: bool | None = None,
        optimizers: tuple[str, ...] = ("encoder",),
    ) -> None:
        super().__init__(optimizers)
        self.need_one_of(reading_loss=reading_loss, parts_weight=parts_weight)
        self.reading_loss = build_part(reading_loss)
        self.parts_weight = parts_weight or 0.0
        self.scale = scale
        self.shift = shift
        self.roll = roll
        self.withhold = withhold
        self.colour = colour
        self.mirror = mirror

    @torch.no_grad()
    def _target(self, model, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        was_training = model.encoder.training
        model.encoder.eval()
        try:
            read = model.read(*flat_frames(inputs), flip=self.mirror)
        finally:
            model.encoder.train(was_training)
        together = torch.tensor([shows_one_instant(sample) for sample in data_samples])
        if not together.any():
            return read
        poses = read["joints_body"].unflatten(0, inputs["image"].shape[:2])
        agreed = poses.mean(1, keepdim=True).expand_as(poses)
        poses = torch.where(together.to(poses.device)[:, None, None, None], agreed, poses)
        camera = read["encoding"].camera(model.camera_distance)
        return {**read, **model.place(poses.flatten(0, 1), camera)}

    def _recolour(self, *images: Tensor | None) -> list[Tensor | None]:
        size = (len(images[0]), 3, 1, 1)
        gain = 1 + self.colour * (torch.rand(size, device=images[0].device) * 2 - 1)
        return [None if x is None else change_light(x, gain) for x in images]

    def loss(self, model, inputs, data_samples) -> dict[str, Tensor]:
        """See :meth:`Objective.loss`."""
        images, background = flat_frames(inputs)
        target = self._target(model, inputs, data_samples)
        change = CropChange.draw(images, self.scale, self.shift, self.roll)
        altered, scene = self._recolour(
            change.images(images), None if background is None else change.images(background)
        )
        if scene is not None:
            # Equal to the image: no difference to the background, which stands for none known.
            hidden = torch.rand(len(images), 1, 1, 1, device=images.device) < self.withhold
            scene = torch.where(hidden, altered, scene)
        encoding = model.encoder(altered, scene)
        decoded = model.decode(encoding)
        losses = {}
        if self.reading_loss is not None:
            losses = self.reading_loss(
                encoding,
                decoded,
                joints_cam=change.turn(target["joints_cam"]),
                points=change.points(target["points"]),
                joints_body=target["joints_body"],
            )
        if encoding.part_logits is not None and self.parts_weight > 0:
            wanted = change.images(target["encoding"].part_logits.softmax(1))
            losses["loss_parts"] = self.parts_weight * F.cross_entropy(encoding.part_logits, wanted)
        return self.need_some(losses)
