"""Part-guided novel image synthesis on real frames (Kundu et al., CVPR 2020)."""

from __future__ import annotations

from torch import Tensor

from part_synth.registry import MODELS

from .base import Objective, flat_frames


@MODELS.register_module()
class NovelImageSynthesis(Objective):
    """Paint each frame of a group with the looks of the others and the frame's own pose.

    Args:
        reconstruction: Config of the loss between synthesised and real frames.
        flat_reconstruction: The same for the flat painting in capsule colours, which needs no
            trained decoder.
        foreground: Config of the loss between puppet and background difference; used only
            where the camera is static.
        segmentation: Config of the decoder's segmentation loss.
        tie: Config of the loss between heat-map reading and decoded pose.
        blur: Width of the template's edge in pixels.
    """

    def __init__(
        self,
        reconstruction: dict | None = None,
        flat_reconstruction: dict | None = None,
        foreground: dict | None = None,
        segmentation: dict | None = None,
        tie: dict | None = None,
        blur: float = 1.0,
        optimizers: tuple[str, ...] = ("encoder", "synthesizer"),
    ) -> None:
        super().__init__(optimizers)

        def build(config: dict | None, default: str):
            return MODELS.build(config or {"type": f"part_synth.{default}"})

        self.reconstruction = build(reconstruction, "MultiScaleL1Loss")
        self.flat_reconstruction = build(flat_reconstruction, "MultiScaleL1Loss")
        self.foreground = build(foreground, "ForegroundLoss")
        self.segmentation = build(segmentation, "PartSegmentationLoss")
        self.tie = build(tie, "ReadingTieLoss")
        self.blur = blur

    def loss(self, model, inputs, data_samples) -> dict[str, Tensor]:
        """See :meth:`Objective.loss`; groups must hold at least two frames."""
        groups = inputs["image"]
        frames = groups.shape[1]
        if frames < 2:
            raise ValueError(
                "NovelImageSynthesis needs groups of at least 2 frames of one person, got 1; "
                "set num_frames=2 or more in the VideoPairDataset"
            )
        images, background = flat_frames(inputs)
        encoding = model.encoder(images, background)
        decoded = model.decode(encoding)
        maps = model.render(decoded, images.shape[-2:], blur=self.blur)
        appearance = model.appearance(images, maps, frames)
        synthesized = model.decoder(maps, appearance, background)

        losses = {}
        if background is None:
            weight = maps.foreground[:, None].detach()
        else:
            evidence = self.foreground.evidence(images, background)
            losses["loss_foreground"] = self.foreground(maps.foreground, images, background)
            # All that is person, or is painted as such; the rest is background in both.
            weight = evidence.maximum(maps.foreground[:, None].detach())
        losses["loss_reconstruction"] = self.reconstruction(synthesized.image, images, weight)
        losses["loss_flat"] = self.flat_reconstruction(synthesized.flat, images, weight)
        losses["loss_segmentation"] = self.segmentation(synthesized.part_logits, maps)
        losses["loss_tie"] = self.tie(encoding, decoded["points"], decoded["joints_cam"][..., 2])
        spread = decoded["joints_body"].detach().std(0).mean()
        return {**losses, "pose_spread_mm": 1000 * spread}
