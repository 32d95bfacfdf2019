"""From uint8 crops to the tensors the model works on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from part_synth.registry import MODELS


@MODELS.register_module()
class PartSynthDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device and map pixels to [-1, 1].

    Takes what :func:`part_synth.datasets.collate` makes, and mmpose's own packing too (a list or
    a batch of (3, H, W) tensors).

    Args:
        bgr_to_rgb: Swap the channels, for pipelines that keep OpenCV's order.
    """

    def __init__(self, bgr_to_rgb: bool = False, non_blocking: bool = False) -> None:
        super().__init__(non_blocking)
        self.bgr_to_rgb = bgr_to_rgb

    def _normalise(self, images: Tensor) -> Tensor:
        if images.shape[-3] != 3:
            raise ValueError(
                f"images must have 3 channels before height and width, got {tuple(images.shape)}"
            )
        if self.bgr_to_rgb:
            images = images.flip(-3)
        return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``inputs``: dict of uint8 tensors (B, F, 3, H, W) or (a list of) uint8
                tensors (3, H, W); ``data_samples``.
            training: Unused; augmentation belongs to the pipeline.

        Returns:
            The same with ``inputs`` a dict of float tensors in [-1, 1].
        """
        data = self.cast_data(data)
        inputs = data["inputs"]
        if not isinstance(inputs, Mapping):
            images = torch.stack(list(inputs)) if isinstance(inputs, (list, tuple)) else inputs
            inputs = {"image": images[:, None] if images.ndim == 4 else images}
        inputs = {
            name: self._normalise(value) if name in ("image", "background") else value
            for name, value in inputs.items()
        }
        return {"inputs": inputs, "data_samples": data.get("data_samples")}
