"""How well a pose prior keeps poses it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric

from part_synth.registry import METRICS


@METRICS.register_module()
class PriorReconstructionMetric(BaseMetric):
    """Mean distance between poses and what their codes are decoded to, both of mean bone lengths.

    Samples carry ``wanted`` and ``rebuilt`` (K, 3), metres, as ``part_synth.PosePriorModel`` gives
    them. Key: ``reconstruction_mm``.
    """

    def __init__(self, collect_device: str = "cpu", collect_dir: str | None = None) -> None:
        # mmengine warns of metrics without a prefix; ours carry name and unit in the key instead.
        super().__init__(collect_device, prefix="none", collect_dir=collect_dir)
        self.prefix = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Note the error of each sample."""
        for sample in data_samples:
            gap = torch.as_tensor(sample["rebuilt"]) - torch.as_tensor(sample["wanted"])
            self.results.append(float(1000 * gap.norm(dim=-1).mean()))

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """Mean over all samples of all ranks."""
        if not results:
            raise ValueError("PriorReconstructionMetric got no samples: the data set is empty.")
        return {"reconstruction_mm": sum(results) / len(results)}
