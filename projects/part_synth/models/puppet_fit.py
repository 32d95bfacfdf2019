"""Fits puppets, as they were read, to the parts that the part head sees in the picture.

Symbols: B batch, K = 17 joints, P parts, h and w size of the part head's maps.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from part_synth.geometry import bone_lengths, view_rotation
from part_synth.registry import MODELS

from .view import CropCamera

if TYPE_CHECKING:
    from .part_synth import PartSynth

# Share of a pixel's membership below which a part is as good as absent.
_FLOOR = 1e-3


@MODELS.register_module()
class PuppetFit:
    """Moves the joints of a read pose until the puppet covers the parts that are seen.

    Ours, not in Kundu et al. What a pose network reads is off by a hand's breadth in places where
    a segmentation of the same picture is not. Joints move parallel to the image, and the person's
    place and size with them, by gradient steps on the cross-entropy of the part head's shares
    under the puppet's part maps and on the overlap of each part, which counts hands as much as the
    torso; a pull back to where they were read and one to the bones' lengths hold what the picture
    does not show. Pictures of a batch don't influence each other.

    It is for what is painted or segmented, and for joints in the image. The 3D pose itself does not
    gain: its depths stay as they were.

    Args:
        steps: Steps of Adam.
        lr: Of the first step, metres; it falls linearly to zero.
        pull: Cost of a square metre of movement, summed over joints.
        bone_pull: Cost of a square metre of change of length, summed over bones.
        size: Finer part maps are averaged down to at least this, px.
        blur: Width of the puppet's edge, map px.
        overlap: Weight of one minus the parts' mean Dice coefficient; the cross-entropy, a mean
            over pixels, has one minus that weight.
    """

    def __init__(
        self,
        steps: int = 20,
        lr: float = 0.02,
        pull: float = 0.15,
        bone_pull: float = 3.0,
        size: int = 48,
        blur: float = 0.5,
        overlap: float = 0.7,
    ) -> None:
        for values, least, said in (
            ({"steps": steps, "size": size}, 1, "at least 1"),
            ({"pull": pull, "bone_pull": bone_pull}, 0, "at least 0"),
            ({"lr": lr, "blur": blur}, torch.finfo(torch.float32).tiny, "above 0"),
        ):
            for name, value in values.items():
                if not value >= least:
                    raise ValueError(f"{name} of PuppetFit must be {said}, got {value!r}")
        if not 0 <= overlap <= 1:
            raise ValueError(f"overlap of PuppetFit must be in [0, 1], got {overlap!r}")
        self.steps = steps
        self.lr = lr
        self.pull = pull
        self.bone_pull = bone_pull
        self.size = size
        self.blur = blur
        self.overlap = overlap

    @torch.inference_mode(False)
    @torch.enable_grad()
    def __call__(self, model: PartSynth, decoded: dict[str, Tensor]) -> dict[str, Tensor]:
        """Fit B puppets.

        Args:
            model: Its puppet is fitted; nothing of it changes.
            decoded: What ``model.read`` gave.

        Returns:
            ``decoded`` with the fitted ``camera`` and what ``model.place`` gives before it.

        Raises:
            ValueError: The model has no part head, whose maps are what puppets are fitted to.
        """
        if decoded.get("part_logits") is None:
            raise ValueError(
                "PuppetFit fits puppets to what the encoder's part head sees, and this encoder has "
                "none; train one with encoder.part_head=dict(type='part_synth.PartMapHead'), or "
                "leave the fit out"
            )
        # Clones: what inference mode made can't be differentiated.
        seen = self._seen(decoded["part_logits"].detach().clone().float())
        read = decoded["joints_body"].detach().clone().float()
        camera = _copied(decoded["camera"])
        rotation = view_rotation(camera.azimuth, camera.elevation, camera.roll)
        lengths = bone_lengths(read)
        moves = torch.zeros(*read.shape[:2], 2, device=read.device, requires_grad=True)
        place = torch.zeros(len(read), 3, device=read.device, requires_grad=True)
        adam = torch.optim.Adam([moves, place], lr=self.lr, betas=(0.8, 0.95))

        def posed() -> tuple[Tensor, CropCamera]:
            # The pelvis stays the origin; the camera's offset moves it.
            shift = F.pad(moves[:, 1:], (0, 1, 1, 0)) @ rotation
            shown = dataclasses.replace(
                camera, scale=camera.scale * (1 + place[:, 0]), offset=camera.offset + place[:, 1:]
            )
            return read + shift, shown

        with torch.autocast(read.device.type, enabled=False):
            for step in range(self.steps):
                adam.param_groups[0]["lr"] = self.lr * (1 - step / self.steps)
                joints, shown = posed()
                maps = model.render(model.place(joints, shown), seen.shape[-2:], self.blur)
                fit = self._misfit(seen, maps.parts).sum()
                held = self.pull * moves.square().sum()
                held = held + self.bone_pull * (bone_lengths(joints) - lengths).square().sum()
                # Not backward(): the puppet's own weights are to get no gradient.
                moves.grad, place.grad = torch.autograd.grad(fit + held, (moves, place))
                adam.step()
            with torch.no_grad():
                joints, shown = posed()
                return {**decoded, **model.place(joints, shown), "camera": shown}

    def _misfit(self, seen: Tensor, shown: Tensor) -> Tensor:
        """(B,) how ill (B, P + 1, h, w) shares of parts fit those that are seen."""
        entropy = -(seen * shown.clamp_min(_FLOOR).log()).sum(1).mean((1, 2))
        seen, shown = seen[:, 1:], shown[:, 1:]
        # A part of a pixel or less, or one that neither shows, doesn't count.
        both = (seen + shown).sum((2, 3)) + 1
        dice = (2 * (seen * shown).sum((2, 3)) + 1) / both
        return (1 - self.overlap) * entropy + self.overlap * (1 - dice).mean(1)

    def _seen(self, logits: Tensor) -> Tensor:
        """(B, P + 1, h, w) shares of the parts."""
        shares = logits.softmax(1)
        factor = min(shares.shape[-2:]) // self.size
        return F.avg_pool2d(shares, factor) if factor > 1 else shares


def _copied(camera: CropCamera) -> CropCamera:
    """The camera, detached, single precision."""
    values = {name: v for name, v in vars(camera).items() if isinstance(v, Tensor)}
    copies = {name: value.detach().clone().float() for name, value in values.items()}
    return dataclasses.replace(camera, **copies)
