"""The pose prior as a model of its own, for `tools/train.py configs/pose_prior_*.py`."""

from __future__ import annotations

import torch
from mmengine.model import BaseModel
from mmpose.structures import PoseDataSample
from torch import Tensor

from part_synth.geometry import local_directions
from part_synth.registry import MODELS


@MODELS.register_module()
class PosePriorModel(BaseModel):
    """Train a pose prior on unpaired poses beforehand.

    A model of system A takes it by ``prior=dict(type='part_synth.PosePrior', init_cfg=dict(
    type='Pretrained', checkpoint=FILE, prefix='prior.'))``; without one it fits its own before its
    first step.

    Args:
        prior: Config of the prior.
        noise: Standard deviation of the noise added to codes.
        recombine: Share of limbs taken from another pose of the batch.
    """

    def __init__(
        self,
        prior: dict,
        noise: float = 0.02,
        recombine: float = 0.3,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.prior = MODELS.build(prior)
        self.noise = noise
        self.recombine = recombine

    def forward(
        self, inputs: dict[str, Tensor], data_samples: list | None = None, mode: str = "tensor"
    ) -> dict[str, Tensor] | list | Tensor:
        """Run the model.

        Args:
            inputs: ``pose_body`` (B, K, 3) body frame, metres.
            data_samples: Not used: there are no labels.
            mode: 'loss', 'predict' (samples with poses and what they were decoded to), or 'tensor'
                (codes).
        """
        pose_body = inputs["pose_body"]
        if mode == "tensor":
            return self.prior.encode(pose_body)
        if mode == "predict":
            rebuilt = self.prior(self.prior.encode(pose_body))
            wanted = self.prior.retarget(pose_body)
            return [
                PoseDataSample(metainfo={"wanted": a.cpu(), "rebuilt": b.cpu()})
                for a, b in zip(wanted, rebuilt, strict=True)
            ]
        if mode != "loss":
            raise ValueError(f"mode is 'tensor', 'loss' or 'predict', got {mode!r}")
        if not self.prior.fitted:
            raise ValueError(
                "The pose prior has no bone lengths yet; put "
                "dict(type='part_synth.PosePriorLengthsHook') among the custom_hooks"
            )
        directions = local_directions(pose_body)
        loss = self.prior.reconstruction_loss(
            directions, directions.roll(1, 0), self.noise, self.recombine
        )
        with torch.no_grad():
            error = 1000 * loss
        return {"loss_reconstruction": loss, "reconstruction_mm": error}
