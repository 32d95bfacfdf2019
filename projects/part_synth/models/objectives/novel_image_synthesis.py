"""Part-guided novel image synthesis on real frames (Kundu et al., CVPR 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from part_synth.models.losses import foreground_evidence
from part_synth.registry import MODELS

from .base import Objective, backgrounds_known, build_part, config_of, flat_frames


@MODELS.register_module()
class NovelImageSynthesis(Objective):
    """Paint each frame of a group with the looks of the others and the frame's own pose.

    Every loss is a part of its own: absent, it has its default; None leaves it out. One weighted
    sum of them trains with one optimiser per network; for the published habit of the paper's
    group, a separate optimiser for each loss, give the model several objectives of this class with
    one loss each and let them take turns (configs/ablations/part_synth_alternating.py).

    Args:
        reconstruction: Config of the loss between synthesised and real frames.
        flat_reconstruction: The same for the flat painting in capsule colours, which needs no
            trained decoder; unused where the pose is not trained.
        foreground: Config of the loss between puppet and background difference; used only
            where the background is known.
        segmentation: Config of the decoder's segmentation loss.
        agreement: Config of the loss that pulls the puppet to the parts that the encoder's head
            reads off the frame; unused without such a head.
        reading: Config of the loss between those parts and the background difference; likewise,
            and only where the background is known.
        tie: Config of the loss between heat-map reading and decoded pose.
        perceptual: Config of a loss between synthesised and real frames as features see them.
        appearance_cycle: Config of a loss between the looks of the synthesised image and those it
            was painted with.
        articulation: Config of a loss of poses beyond the articulation limits, for a prior with
            ``hard_limits=False``.
        adversary: Config of a game between predicted and unpaired poses. See
            :class:`~part_synth.models.losses.pose_adversary.UnpairedPoseAdversary` for its
            optimiser.
        blur: Width of the template's edge in pixels.
        train_pose: False takes poses as they are read, or as the model's ``puppet_fit`` makes them:
            the pictures train the painter alone. Losses that concern the encoder alone (foreground,
            agreement, reading, tie) are left out then.

    Raises:
        ValueError: A loss of poses was asked for with ``train_pose=False``, or none is left.
    """

    def __init__(
        self,
        reconstruction: dict | None = config_of("MultiScaleL1Loss"),  # noqa: B008
        flat_reconstruction: dict | None = config_of("MultiScaleL1Loss"),  # noqa: B008
        foreground: dict | None = config_of("ForegroundLoss"),  # noqa: B008
        segmentation: dict | None = config_of("PartSegmentationLoss"),  # noqa: B008
        agreement: dict | None = config_of("PartAgreementLoss"),  # noqa: B008
        reading: dict | None = config_of("ForegroundReadingLoss"),  # noqa: B008
        tie: dict | None = config_of("ReadingTieLoss"),  # noqa: B008
        perceptual: dict | None = None,
        appearance_cycle: dict | None = None,
        articulation: dict | None = None,
        adversary: dict | None = None,
        blur: float = 1.0,
        train_pose: bool = True,
        optimizers: tuple[str, ...] = ("encoder", "synthesizer"),
    ) -> None:
        super().__init__(optimizers)
        if not train_pose and (articulation is not None or adversary is not None):
            raise ValueError(
                "NovelImageSynthesis with train_pose=False trains the painter alone: articulation "
                "and adversary judge the pose and would do nothing; leave them out, or set "
                "train_pose=True and name the encoder's optimiser in `optimizers`"
            )
        counting = {
            "reconstruction": reconstruction,
            "segmentation": segmentation,
            "perceptual": perceptual,
            "appearance_cycle": appearance_cycle,
        }
        if train_pose:
            counting.update(
                flat_reconstruction=flat_reconstruction,
                foreground=foreground,
                agreement=agreement,
                reading=reading,
                tie=tie,
                articulation=articulation,
                adversary=adversary,
            )
        self.need_one_of(**counting)
        self.reconstruction = build_part(reconstruction)
        self.flat_reconstruction = build_part(flat_reconstruction)
        self.foreground = build_part(foreground)
        self.segmentation = build_part(segmentation)
        self.agreement = build_part(agreement)
        self.reading = build_part(reading)
        self.tie = build_part(tie)
        self.perceptual = build_part(perceptual)
        self.appearance_cycle = build_part(appearance_cycle)
        self.articulation = build_part(articulation)
        self.adversary = build_part(adversary)
        self.blur = blur
        self.train_pose = train_pose

    def loss(self, model, inputs, data_samples) -> dict[str, Tensor]:
        """See :meth:`Objective.loss`; groups must hold at least two frames."""
        frames = inputs["image"].shape[1]
        if frames < 2:
            raise ValueError(
                "NovelImageSynthesis needs groups of at least 2 frames of one person, got 1; "
                "set num_frames=2 or more in the VideoPairDataset"
            )
        images, background = flat_frames(inputs)
        with torch.set_grad_enabled(self.train_pose and torch.is_grad_enabled()):
            decoded = model.read(images, background, flip=False)
            if not self.train_pose:
                decoded = model.fitted(decoded)
            maps = model.render(decoded, images.shape[-2:], blur=self.blur)
        losses = self._compare_images(model, maps, images, background, frames)
        spread = decoded["joints_body"].detach().std(0).mean()
        losses["pose_spread_mm"] = 1000 * spread
        if not self.train_pose:
            return losses
        encoding = decoded["encoding"]
        losses.update(self._compare_parts(encoding, maps, images, background))
        if self.tie is not None:
            depths = decoded["joints_cam"][..., 2]
            losses["loss_tie"] = self.tie(encoding, decoded["points"], depths)
        if self.articulation is not None:
            losses["loss_articulation"] = self.articulation(decoded["joints_body"])
        if self.adversary is not None:
            unpaired = model.draw_unpaired_poses(len(images))
            losses.update(self.adversary(decoded["joints_body"], unpaired))
        if not any(name.startswith("loss") for name in losses):
            # Nothing known of the scenes is nothing to learn, and a step all the same: the next
            # batch may know its own.
            losses["loss_nothing_known"] = 0.0 * maps.foreground.sum()
        return losses

    def _compare_parts(self, encoding, maps, images, background) -> dict[str, Tensor]:
        """Losses between the puppet, the head's reading and the background difference."""
        losses = {}
        known = backgrounds_known(images, background)
        if known.any():
            if self.foreground is not None:
                losses["loss_foreground"] = self.foreground(
                    maps.foreground[known], images[known], background[known]
                )
            if self.reading is not None and encoding.part_logits is not None:
                losses["loss_reading"] = self.reading(
                    encoding.part_logits[known], images[known], background[known]
                )
        if self.agreement is not None and encoding.part_logits is not None:
            losses["loss_agreement"] = self.agreement(encoding.part_logits, maps)
        return losses

    def _compare_images(self, model, maps, images, background, frames) -> dict[str, Tensor]:
        """Losses between synthesised and real frames."""
        wanted = (
            self.reconstruction,
            self.flat_reconstruction,
            self.segmentation,
            self.perceptual,
            self.appearance_cycle,
        )
        if all(loss is None for loss in wanted):
            return {}
        appearance = model.appearance(images, maps, frames)
        weight = maps.foreground[:, None].detach()
        if background is not None:
            known = backgrounds_known(images, background)[:, None, None, None]
            # All that is person, or is painted as such; the rest is background in both.
            evidence = foreground_evidence(images, background).maximum(weight)
            weight = torch.where(known, evidence, weight)
            # A frame that stands for its own background must not show through.
            background = torch.where(known, background, torch.zeros_like(background))
        synthesized = model.decoder(maps, appearance, background)
        losses = {}
        if self.reconstruction is not None:
            losses["loss_reconstruction"] = self.reconstruction(synthesized.image, images, weight)
        if self.flat_reconstruction is not None and self.train_pose:
            losses["loss_flat"] = self.flat_reconstruction(synthesized.flat, images, weight)
        if self.perceptual is not None:
            losses["loss_perceptual"] = self.perceptual(synthesized.image, images, weight)
        if self.appearance_cycle is not None:
            found = model.appearance(synthesized.image, maps, 1)
            losses["loss_appearance"] = self.appearance_cycle(found, appearance, maps)
        if self.segmentation is not None:
            losses["loss_segmentation"] = self.segmentation(synthesized.part_logits, maps)
        return losses
