"""Part segmentation quality of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as nnf
from mmengine.evaluator import BaseMetric

from part_synth.evaluation import functional as F
from part_synth.evaluation.sample_fields import sample_fields
from part_synth.geometry import PART_NAMES
from part_synth.registry import METRICS


@METRICS.register_module()
class PartSegMetric(BaseMetric):
    """Mean IoU over the body parts and IoU of the person, over all pixels of the set.

    Each data sample needs ``pred_fields.part_labels`` (1, h, w) and ``gt_fields.part_labels``
    (1, H, W), integer labels with 0 for background. A prediction of another size is resized to
    the truth (nearest neighbour), so that a finer truth is never thrown away.

    Keys: ``part_miou_pct``, ``fg_iou_pct``, and ``part_iou_pct/<part>`` with ``per_part``.

    Parts are compared by name. A puppet of one's own (docs/puppet.md) may have parts that the data
    set's labels don't know; ``count_as`` says what they are there.

    Args:
        per_part: Whether to report every part too.
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.
        count_as: Part of the data set, or 'background', for each part of the model that has
            another name, such as ``dict(hat='head')``.
    """

    def __init__(
        self,
        per_part: bool = False,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
        count_as: dict[str, str] | None = None,
    ) -> None:
        # mmengine warns of metrics without a prefix; ours carry name and unit in the key instead.
        super().__init__(collect_device, prefix=prefix or "none", collect_dir=collect_dir)
        self.prefix = prefix
        self.per_part = per_part
        self.count_as = dict(count_as or {})

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each sample.

        Args:
            data_batch: Not used.
            data_samples: Data samples as dicts, with predictions and truth.

        Raises:
            ValueError: A sample lacks its predicted or true part map, or has parts that the data
                set does not know.
        """
        for sample in data_samples:
            pred, gt = _labels(sample, "pred_fields"), _labels(sample, "gt_fields")
            names = sample_fields(sample, "pred_fields").get("part_names", PART_NAMES)
            if tuple(names) != PART_NAMES:
                pred = self._translate(names)[pred]
            if pred.shape != gt.shape:
                resized = nnf.interpolate(pred[None].float(), gt.shape[-2:], mode="nearest-exact")
                pred = resized[0].long()
            self.results.append(F.confusion_matrix(pred, gt, len(PART_NAMES)))

    def _translate(self, names: Sequence[str]) -> torch.Tensor:
        """Label of the data set of each of the model's parts."""
        wanted = [self.count_as.get(name, name) for name in names]
        unknown = [pair for pair in zip(names, wanted, strict=True) if pair[1] not in PART_NAMES]
        if unknown:
            name, target = unknown[0]
            raise ValueError(
                f"PartSegMetric: the model has the part {name!r}, which the data set's labels do "
                f"not know{'' if name == target else f' as {target!r}'}. Say what it counts as: "
                f"PartSegMetric(count_as=dict({name}=...)) with one of {', '.join(PART_NAMES)}, or "
                "leave PartSegMetric out of the evaluator."
            )
        return torch.tensor([PART_NAMES.index(name) for name in wanted])

    def compute_metrics(self, results: list[torch.Tensor]) -> dict[str, float]:
        """IoU of the whole set.

        Args:
            results: Confusion matrices (C, C) of all samples of all ranks.

        Returns:
            Metrics by name, percent.

        Raises:
            ValueError: There is no sample.
        """
        if not results:
            raise ValueError("PartSegMetric got no samples: the data set is empty.")
        confusion = torch.stack(list(results)).sum(0)
        metrics = {
            "part_miou_pct": float(F.part_miou_from_confusion(confusion)),
            "fg_iou_pct": float(F.fg_iou_from_confusion(confusion)),
        }
        if self.per_part:
            for name, value in zip(PART_NAMES[1:], F.class_iou(confusion)[1:], strict=True):
                metrics[f"part_iou_pct/{name}"] = float(value)
        return metrics


def _labels(sample: dict, field: str) -> torch.Tensor:
    """Part labels (1, H, W) of one sample on the CPU."""
    fields = sample_fields(sample, field)
    if "part_labels" not in fields:
        source = "the model's prediction" if field == "pred_fields" else "the data set"
        raise ValueError(
            f"PartSegMetric: a data sample has no {field}.part_labels (1, H, W), which {source} "
            "must provide. Leave PartSegMetric out of the evaluator for data or models without "
            "part maps."
        )
    return torch.as_tensor(fields["part_labels"]).detach().cpu().long()
