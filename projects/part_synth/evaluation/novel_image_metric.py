"""Quality of novel images of a data set, with the trivial answers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from part_synth.evaluation.image_quality import mean_of_map, psnr, ssim_map
from part_synth.evaluation.sample_fields import sample_fields
from part_synth.registry import METRICS

# An image of 8-bit values can't tell less: a mean squared error of a twelfth (rounding) is 58.9 dB.
_MOST_DB = 59.0
# The person reaches beyond the outermost joints by about this part of their extent.
_BOX_MARGIN = 0.1


@METRICS.register_module()
class NovelImageMetric(BaseMetric):
    """PSNR and SSIM of synthesised frames: looks of other frames of the person, pose of this one.

    The model must synthesise (``model.predict_novel_images=True``) and the test set must be a
    ``part_synth.VideoPairDataset``: the first frame of a sample is the truth, the others give the
    looks. Each data sample needs ``pred_fields.novel_image`` (3, S, S) uint8 RGB and
    ``gt_instances.crop_keypoints`` (F, K, 2), the batch ``inputs.image`` (B, F, 3, S, S) uint8 RGB
    and, for the baseline, ``inputs.background``.

    Keys: ``novel_psnr_person_db`` and ``novel_ssim_person`` over the person's box (the extent of
    the true joints and a tenth more on each side), ``novel_psnr_crop_db`` and ``novel_ssim_crop``
    over the whole crop, ``novel_psnr_silhouette_db`` and ``novel_ssim_silhouette`` over the pixels
    of the true parts where the set has them; means over samples. The same with
    ``baseline_copy_source_`` for ``novel_``: the sample's second frame as it is; and with
    ``baseline_background_``: the empty scene alone.

    Args:
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.
    """

    def __init__(
        self,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        # mmengine warns of metrics without a prefix; ours carry name and unit in the key instead.
        super().__init__(collect_device, prefix=prefix or "none", collect_dir=collect_dir)
        self.prefix = prefix

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Measure the images of a batch.

        Args:
            data_batch: The batch, uint8.
            data_samples: Data samples as dicts, with predictions and truth.

        Raises:
            ValueError: A novel image, the true frames or the true joints are missing.
        """
        frames, background = _frames(data_batch)
        answers = {
            "novel": torch.stack([_novel_image(sample) for sample in data_samples]),
            "baseline_copy_source": frames[:, 1],
        }
        if background is not None:
            answers["baseline_background"] = background[:, 0]
        regions = _regions(data_samples, frames.shape[-2:])
        columns = {
            f"{answer}_{key}": values.tolist()
            for answer, images in answers.items()
            for key, values in compare_images(images, frames[:, 0], regions).items()
        }
        rows = zip(*columns.values(), strict=True)
        self.results.extend(dict(zip(columns, row, strict=True)) for row in rows)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Means over the whole set.

        Args:
            results: Numbers by name of all samples of all ranks.

        Returns:
            Metrics by name.

        Raises:
            ValueError: There is no sample.
        """
        if not results:
            raise ValueError("NovelImageMetric got no samples: the data set is empty.")
        names = dict.fromkeys(key for row in results for key in row)
        columns = {key: torch.tensor([row.get(key, torch.nan) for row in results]) for key in names}
        return {key: float(values.nanmean()) for key, values in columns.items()}


def compare_images(pred: Tensor, target: Tensor, regions: dict[str, Tensor]) -> dict[str, Tensor]:
    """PSNR and SSIM of each image in some regions; works without a runner.

    Args:
        pred: (B, 3, H, W) uint8.
        target: (B, 3, H, W) uint8, the truth.
        regions: Masks (B, H, W) by name.

    Returns:
        ``psnr_<region>_db``, at most 59 dB (what rounding to 8 bits leaves), and
        ``ssim_<region>``, each (B,); NaN where a mask is empty.
    """
    values, similarity = {}, ssim_map(pred, target)
    for name, mask in regions.items():
        values[f"psnr_{name}_db"] = psnr(pred, target, mask).clamp(max=_MOST_DB)
        values[f"ssim_{name}"] = mean_of_map(similarity, mask)
    return values


def _regions(samples: Sequence[dict], size: Sequence[int]) -> dict[str, Tensor]:
    """Masks (B, H, W) by name: where the truth says that the person is, and everywhere."""
    regions = {
        "person": torch.stack([_person_box(sample, size) for sample in samples]),
        "crop": torch.ones(len(samples), *size, dtype=torch.bool),
    }
    parts = [sample_fields(sample, "gt_fields").get("part_labels") for sample in samples]
    if all(labels is not None for labels in parts):
        regions["silhouette"] = torch.stack([torch.as_tensor(p)[0].cpu() > 0 for p in parts])
    return regions


def _person_box(sample: dict, size: Sequence[int]) -> Tensor:
    """(H, W) mask of the box of the first frame's true joints, a little larger."""
    joints = sample_fields(sample, "gt_instances").get("crop_keypoints")
    if joints is None:
        raise ValueError(
            "NovelImageMetric: a data sample has no gt_instances.crop_keypoints (F, K, 2): the "
            "data set must deliver true joints for evaluation."
        )
    points = torch.as_tensor(joints)[0].cpu().float()
    low, high = points.amin(0), points.amax(0)
    rim = _BOX_MARGIN * (high - low).max()
    # Pixel j lies at (2 j + 1) / S - 1.
    y, x = ((2 * torch.arange(side) + 1) / side - 1 for side in size)
    inside = [(place >= low[i] - rim) & (place <= high[i] + rim) for i, place in enumerate((x, y))]
    return inside[1][:, None] & inside[0]


def _novel_image(sample: dict) -> Tensor:
    """(3, H, W) uint8, the synthesised first frame."""
    image = sample_fields(sample, "pred_fields").get("novel_image")
    if image is None:
        raise ValueError(
            "NovelImageMetric: a data sample has no pred_fields.novel_image (3, H, W). Set "
            "model.predict_novel_images=True, of a part_synth.PartSynth."
        )
    return torch.as_tensor(image).cpu()


def _frames(data_batch: Any) -> tuple[Tensor, Tensor | None]:
    """Frames and, where they are known, empty scenes (B, F, 3, H, W) uint8 of a batch."""
    inputs = data_batch.get("inputs") if isinstance(data_batch, dict) else None
    frames = inputs.get("image") if isinstance(inputs, dict) else None
    if not isinstance(frames, Tensor) or frames.ndim != 5 or frames.shape[1] < 2:
        found = tuple(frames.shape) if isinstance(frames, Tensor) else type(frames).__name__
        raise ValueError(
            "NovelImageMetric needs batches of inputs.image (B, F, 3, H, W) with at least 2 frames "
            f"of one person, got {found}; test on type='part_synth.VideoPairDataset' with "
            "collate_fn=dict(type='part_synth.collate')."
        )
    background = inputs.get("background")
    return frames.cpu(), None if background is None else background.cpu()
