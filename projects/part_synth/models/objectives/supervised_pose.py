"""Train the same encoder with 3D labels: the ceiling of the label-free rungs."""

from __future__ import annotations

import torch
from torch import Tensor

from part_synth.registry import MODELS

from .base import Objective, config_of, flat_frames


def _has_labels(sample) -> bool:
    if "gt_instances" not in sample:
        return False
    return bool(torch.isfinite(torch.as_tensor(sample.gt_instances.crop_keypoints)).all())


@MODELS.register_module()
class SupervisedPose(Objective):
    """Read pose and camera off labelled frames; samples without labels are left alone.

    With 2D labels only, give ``reading_loss=dict(type='part_synth.PoseReadingLoss', joints_cam=0,
    depths=False)``: the unseen depth then comes from the prior and the puppets.

    Args:
        reading_loss: Config of the loss between encoding and labels.
        source: Look at the labels of this source of a ``part_synth.MixtureDataset`` alone; None
            looks at all.
    """

    def __init__(
        self,
        reading_loss: dict = config_of("PoseReadingLoss", joints_cam=10.0),  # noqa: B008
        source: str | None = None,
        optimizers: tuple[str, ...] = ("encoder",),
    ) -> None:
        super().__init__(optimizers)
        self.reading_loss = MODELS.build(reading_loss)
        self.source = source

    def loss(self, model, inputs, data_samples) -> dict[str, Tensor]:
        """See :meth:`Objective.loss`."""
        labelled = [
            i
            for i, sample in enumerate(data_samples)
            if self.source in (None, sample.get("source")) and _has_labels(sample)
        ]
        if not labelled:
            raise ValueError(self._no_labels(data_samples))
        inputs = {name: value[labelled] for name, value in inputs.items()}
        data_samples = [data_samples[i] for i in labelled]
        images, background = flat_frames(inputs)
        joints, points = [], []
        for sample in data_samples:
            labels = sample.gt_instances
            joints.append(torch.as_tensor(labels.lifting_target))
            points.append(torch.as_tensor(labels.crop_keypoints))
        joints_cam = torch.cat(joints).to(images)
        joints_cam = joints_cam - joints_cam[:, :1]
        encoding = model.encoder(images, background)
        decoded = model.decode(encoding)
        losses = self.reading_loss(
            encoding, decoded, joints_cam=joints_cam, points=torch.cat(points).to(images)
        )
        with torch.no_grad():
            error = (decoded["joints_cam"] - joints_cam).norm(dim=-1).mean()
        return {**losses, "train_mpjpe_mm": 1000 * error}

    def _no_labels(self, data_samples: list) -> str:
        if self.source is None:
            return (
                "SupervisedPose got a batch without any label. Use a training set that packs its "
                "labels, or a part_synth.MixtureDataset one source of which is labelled"
            )
        sources = sorted({str(sample.get("source")) for sample in data_samples})
        return (
            f"SupervisedPose got a batch without any label of the source {self.source!r}; its "
            f"samples are of {', '.join(sources)}. Name a source of the part_synth.MixtureDataset "
            "that packs its labels"
        )
