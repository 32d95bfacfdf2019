"""3D pose errors of a data set, with the baselines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from part_synth.evaluation import functional as F
from part_synth.evaluation.baselines import (
    canonical_mean_pose,
    load_reference_poses,
    random_poses,
)
from part_synth.registry import METRICS

PER_ACTION_KEYS = ("mpjpe_mm", "p_mpjpe_mm")


@METRICS.register_module()
class PoseMetric(BaseMetric):
    """MPJPE and its aligned forms, 3DPCK, AUC, spread, 2D error and baselines.

    Each data sample needs ``pred_instances.keypoints`` (n, K, 3) and
    ``gt_instances.lifting_target`` (n, K, 3), camera frame, metres; roots are moved to the origin
    here. ``gt_instances.lifting_target_visible`` (n, K) masks joints. When both
    ``pred_instances.crop_keypoints`` and ``gt_instances.crop_keypoints`` (n, K, 2) are there, the
    2D error is measured too. The meta key ``action`` gives the errors per action.

    Keys: ``mpjpe_mm``, ``n_mpjpe_mm``, ``p_mpjpe_mm``, ``p_mpjpe_flip_tolerant_mm``,
    ``depth_flip_pct``, ``pck150_pct``, ``auc_pct``, ``pred_spread_mm``, ``gt_spread_mm``,
    ``kpt2d_err_pct``, ``baseline_mean_pose_p_mpjpe_mm``, ``baseline_random_pose_p_mpjpe_mm``; per
    action ``mpjpe_mm/Walk``, ``p_mpjpe_mm/Walk`` and the means over actions
    ``mpjpe_mm_action_mean``, ``p_mpjpe_mm_action_mean``.

    Args:
        reference_poses: npz of training poses the baselines are made of, see
            :func:`~part_synth.evaluation.baselines.load_reference_poses`.
        baselines: Whether to report the baselines.
        reference_split: Split of the reference file to use.
        per_action: Whether to report errors per action where samples name one.
        seed: Seed of the random-pose baseline.
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.

    Raises:
        ValueError: Baselines are asked for without ``reference_poses``.
        FileNotFoundError: ``reference_poses`` is not there.
    """

    def __init__(
        self,
        reference_poses: str | Path | None = None,
        baselines: bool = True,
        reference_split: str = "train",
        per_action: bool = True,
        seed: int = 0,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        # mmengine warns of metrics without a prefix; ours carry name and unit in the key instead.
        super().__init__(collect_device, prefix=prefix or "none", collect_dir=collect_dir)
        self.prefix = prefix
        if baselines and reference_poses is None:
            raise ValueError(
                "PoseMetric reports the mean-pose and random-pose baselines and needs "
                "reference_poses='.../unpaired_poses.npz' (training poses) for them. Set it, or "
                "set baselines=False."
            )
        self.per_action = per_action
        self.seed = seed
        # Read now: a wrong path must not come to light after the first epoch.
        self.reference = (
            load_reference_poses(reference_poses, reference_split) if baselines else None
        )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what the errors need of each sample.

        Args:
            data_batch: Not used.
            data_samples: Data samples as dicts, with predictions and truth.

        Raises:
            ValueError: A sample lacks its prediction or truth, or their shapes differ.
        """
        self.results.extend(_pose_record(sample) for sample in data_samples)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Errors of the whole set.

        Args:
            results: Records that :meth:`process` made, of all ranks.

        Returns:
            Metrics by name, mm or percent.

        Raises:
            ValueError: There is no sample.
        """
        if not results:
            raise ValueError("PoseMetric got no samples: the data set is empty.")
        pred = torch.from_numpy(np.concatenate([r["pred"] for r in results]))
        gt = torch.from_numpy(np.concatenate([r["gt"] for r in results]))
        visible = torch.from_numpy(np.concatenate([r["visible"] for r in results]))
        metrics = evaluate_poses(pred, gt, visible)
        if not np.isfinite(metrics["mpjpe_mm"]):
            print_log(
                "Some predicted poses are NaN or infinite, and so are the metrics: training has "
                "diverged. Lower the learning rate or clip gradients.",
                logger="current",
                level=30,
            )
        if all("pred_2d" in r for r in results):
            pred_2d = np.concatenate([r["pred_2d"] for r in results])
            gt_2d = np.concatenate([r["gt_2d"] for r in results])
            metrics["kpt2d_err_pct"] = float(F.keypoint_2d_error(pred_2d, gt_2d, visible))
        if self.reference is not None:
            metrics.update(evaluate_baselines(self.reference, gt, visible, self.seed))
        actions = np.concatenate([r["action"] for r in results])
        if self.per_action and any(actions):
            metrics.update(evaluate_actions(pred, gt, visible, actions))
        return metrics


def evaluate_poses(
    pred: F.ArrayLike, gt: F.ArrayLike, visible: F.ArrayLike | None = None
) -> dict[str, float]:
    """All pose errors of a set; works without a runner.

    Args:
        pred: Predicted joints (N, K, 3), metres, camera frame.
        gt: True joints (N, K, 3), metres, camera frame.
        visible: Mask (N, K); None means all joints.

    Returns:
        Metrics by name, mm or percent.
    """
    template = F.spread_template(gt)
    finite = torch.isfinite(torch.as_tensor(pred)).any()
    return {
        "mpjpe_mm": float(F.mpjpe(pred, gt, visible)),
        "n_mpjpe_mm": float(F.n_mpjpe(pred, gt, visible)),
        "p_mpjpe_mm": float(F.p_mpjpe(pred, gt, visible)),
        "p_mpjpe_flip_tolerant_mm": float(F.p_mpjpe_flip_tolerant(pred, gt, visible)),
        "depth_flip_pct": float(F.depth_flip_share(pred, gt, visible)),
        "pck150_pct": float(F.pck(pred, gt, visible)),
        "auc_pct": float(F.auc(pred, gt, visible)),
        "pred_spread_mm": float(F.pose_spread(pred, template)) if finite else float("nan"),
        "gt_spread_mm": float(F.pose_spread(gt, template)),
    }


def evaluate_baselines(
    reference: F.ArrayLike, gt: F.ArrayLike, visible: F.ArrayLike | None = None, seed: int = 0
) -> dict[str, float]:
    """P-MPJPE of the mean reference pose and of random reference poses.

    Args:
        reference: Joints (M, K, 3), metres, facing one way.
        gt: True joints (N, K, 3), metres.
        visible: Mask (N, K); None means all joints.
        seed: Seed of the random draw.

    Returns:
        ``baseline_mean_pose_p_mpjpe_mm`` and ``baseline_random_pose_p_mpjpe_mm``.

    Raises:
        ValueError: Reference and truth have different joints.
    """
    gt, reference = torch.as_tensor(gt), torch.as_tensor(reference)
    if reference.shape[-2] != gt.shape[-2]:
        raise ValueError(
            f"Reference poses have {reference.shape[-2]} joints, the data set has "
            f"{gt.shape[-2]}: give reference poses with the joints of the data set."
        )
    mean = canonical_mean_pose(reference).to(gt).expand_as(gt)
    draw = random_poses(reference, len(gt), seed).to(gt)
    return {
        "baseline_mean_pose_p_mpjpe_mm": float(F.p_mpjpe(mean, gt, visible)),
        "baseline_random_pose_p_mpjpe_mm": float(F.p_mpjpe(draw, gt, visible)),
    }


def evaluate_actions(
    pred: F.ArrayLike, gt: F.ArrayLike, visible: F.ArrayLike, actions: Sequence[str]
) -> dict[str, float]:
    """Errors per action, and their mean in which every action counts the same.

    Args:
        pred: Predicted joints (N, K, 3), metres.
        gt: True joints (N, K, 3), metres.
        visible: Mask (N, K).
        actions: Action of each pose (N,); poses with an empty name are left out.

    Returns:
        ``p_mpjpe_mm/<action>``, ``p_mpjpe_mm_action_mean``, and the same for ``mpjpe_mm``.
    """
    actions, visible = np.asarray(actions), torch.as_tensor(visible) > 0
    names = [name for name in sorted(set(actions.tolist())) if name]
    metrics = {}
    for key, function in zip(PER_ACTION_KEYS, (F.mpjpe, F.p_mpjpe), strict=True):
        errors = function(pred, gt, visible, reduction="none")
        chosen = {name: torch.from_numpy(actions == name) for name in names}
        values = {n: float(errors[m][visible[m]].mean()) for n, m in chosen.items()}
        metrics[f"{key}_action_mean"] = float(np.mean(list(values.values())))
        metrics.update({f"{key}/{name}": value for name, value in values.items()})
    return metrics


def _pose_record(sample: dict) -> dict:
    """What one data sample contributes, as float64 arrays."""
    pred, gt = sample.get("pred_instances"), sample.get("gt_instances")
    if pred is None or "keypoints" not in pred:
        raise ValueError(
            "PoseMetric: a data sample has no pred_instances.keypoints (1, K, 3): the model must "
            "write camera-frame joints in metres there in mode 'predict'."
        )
    if gt is None or "lifting_target" not in gt:
        raise ValueError(
            "PoseMetric: a data sample has no gt_instances.lifting_target (1, K, 3): the data "
            "set must deliver true joints for evaluation."
        )
    joints = _as_float64(gt["lifting_target"])
    record = {
        "pred": _as_float64(pred["keypoints"]).reshape(-1, *joints.shape[-2:]),
        "gt": joints.reshape(-1, *joints.shape[-2:]),
    }
    record["action"] = _actions(sample.get("action"), len(record["gt"]))
    if record["pred"].shape != record["gt"].shape:
        raise ValueError(
            f"PoseMetric: predicted joints {record['pred'].shape} and true joints "
            f"{record['gt'].shape} of a sample must have one shape (n, K, 3)."
        )
    visible = gt.get("lifting_target_visible")
    shape = record["gt"].shape[:2]
    record["visible"] = (
        np.ones(shape, bool) if visible is None else (_as_float64(visible) > 0).reshape(shape)
    )
    if "crop_keypoints" in pred and "crop_keypoints" in gt:
        pred_2d, gt_2d = _as_float64(pred["crop_keypoints"]), _as_float64(gt["crop_keypoints"])
        if pred_2d.shape == gt_2d.shape == (*shape, 2):
            record.update(pred_2d=pred_2d, gt_2d=gt_2d)
    return record


def _actions(action: str | Sequence[str] | None, num: int) -> list[str]:
    """One name per pose; frames of a sample may come from clips of different actions."""
    if action is None or isinstance(action, str):
        return [action or ""] * num
    return [str(name) for name in action]


def _as_float64(value: F.ArrayLike) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    return np.asarray(value, dtype=np.float64)
