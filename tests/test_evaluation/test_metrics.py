"""The registered metrics, with data samples as models make them, and across two processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample
from part_synth.evaluation import PartSegMetric, PoseMetric
from part_synth.evaluation import functional as F
from part_synth.registry import METRICS

CONTRACT_KEYS = {
    "mpjpe_mm", "n_mpjpe_mm", "p_mpjpe_mm", "p_mpjpe_flip_tolerant_mm", "pck150_pct", "auc_pct",
    "baseline_mean_pose_p_mpjpe_mm", "baseline_random_pose_p_mpjpe_mm", "part_miou_pct",
    "fg_iou_pct",
}  # fmt: skip


def make_samples(pred, gt, actions=None, seed=0):
    rng = np.random.default_rng(seed)
    samples = []
    for i, (p, g) in enumerate(zip(pred, gt, strict=True)):
        sample = PoseDataSample(metainfo={"action": actions[i]} if actions else {})
        sample.pred_instances = InstanceData(
            keypoints=torch.from_numpy(p - p[:1])[None].float(),
            crop_keypoints=torch.from_numpy(0.5 * p[None, :, :2] + 0.01).float(),
        )
        sample.gt_instances = InstanceData(
            lifting_target=torch.from_numpy(g)[None].float(),
            lifting_target_visible=torch.ones(1, 17),
            crop_keypoints=torch.from_numpy(0.5 * p[None, :, :2]).float(),
        )
        labels = rng.integers(0, 5, (1, 8, 8)).astype(np.uint8)
        sample.gt_fields = PixelData(part_labels=torch.from_numpy(labels))
        labels = np.where(rng.random(labels.shape) < 0.3, 0, labels)
        sample.pred_fields = PixelData(part_labels=torch.from_numpy(labels))
        samples.append(sample)
    return samples


@pytest.fixture
def reference(tmp_path, poses):
    body = poses(40, 7)
    path = tmp_path / "unpaired_poses.npz"
    np.savez(path, xyz=np.stack([body[..., 0], body[..., 2], -body[..., 1]], -1))
    return path


def test_evaluator_gives_the_keys_and_values_of_the_contract(pair, reference):
    pred, gt = pair
    metrics = [
        {"type": "part_synth.PoseMetric", "reference_poses": str(reference)},
        {"type": "part_synth.PartSegMetric"},
    ]
    evaluator = Evaluator([METRICS.build(m) for m in metrics])
    samples = make_samples(pred, gt)
    for start in range(0, 12, 5):
        evaluator.process(samples[start : start + 5])
    result = evaluator.evaluate(12)
    assert set(result) >= CONTRACT_KEYS
    assert all(isinstance(value, float) and np.isfinite(value) for value in result.values())
    assert result["mpjpe_mm"] == pytest.approx(float(F.mpjpe(pred, gt)), abs=1e-3)
    assert result["p_mpjpe_mm"] == pytest.approx(float(F.p_mpjpe(pred, gt)), abs=1e-3)
    assert result["auc_pct"] == pytest.approx(float(F.auc(pred, gt)), abs=0.1)
    assert result["pred_spread_mm"] > 0
    labels = [
        np.stack([s.get(f).part_labels.numpy() for s in samples])
        for f in ("pred_fields", "gt_fields")
    ]
    assert result["part_miou_pct"] == pytest.approx(float(F.part_miou(*labels)))
    assert result["fg_iou_pct"] == pytest.approx(float(F.fg_iou(*labels)))
    assert not any("/" in key for key in result)  # no action is named: no keys per action


def test_per_action_errors(pair):
    pred, gt = pair
    actions = ["Walk"] * 7 + ["Sit"] * 2 + ["Box"] * 3
    metric = PoseMetric(baselines=False)
    metric.process(None, [s.to_dict() for s in make_samples(pred, gt, actions)])
    result = metric.evaluate(12)
    groups = {"Walk": slice(0, 7), "Sit": slice(7, 9), "Box": slice(9, 12)}
    for key, function in (("p_mpjpe_mm", F.p_mpjpe), ("mpjpe_mm", F.mpjpe)):
        values = {n: float(function(pred[s], gt[s])) for n, s in groups.items()}
        for name, value in values.items():
            assert result[f"{key}/{name}"] == pytest.approx(value, abs=1e-3)
        mean = np.mean(list(values.values()))
        assert result[f"{key}_action_mean"] == pytest.approx(mean, abs=1e-3)
    assert result["p_mpjpe_mm_action_mean"] != pytest.approx(result["p_mpjpe_mm"], abs=1e-3)
    metric = PoseMetric(baselines=False, per_action=False)
    metric.process(None, [s.to_dict() for s in make_samples(pred, gt, actions)])
    assert not any("Walk" in key for key in metric.evaluate(12))


def test_2d_error_of_a_known_shift(pair):
    pred, gt = pair
    metric = PoseMetric(baselines=False)
    metric.process(None, [s.to_dict() for s in make_samples(pred, gt)])
    size = 0.5 * (pred[..., :2].max(1) - pred[..., :2].min(1)).max(-1)
    expected = np.mean(100 * np.sqrt(2) * 0.01 / size)
    assert metric.evaluate(12)["kpt2d_err_pct"] == pytest.approx(expected, rel=1e-3)


def test_several_frames_and_numpy_arrays_in_one_sample(pair):
    pred, gt = pair
    sample = {
        "pred_instances": {"keypoints": pred},
        "gt_instances": {"lifting_target": gt, "lifting_target_visible": np.ones((12, 17))},
        "action": ["Walk"] * 6 + ["Sit"] * 6,
    }
    metric = PoseMetric(baselines=False)
    metric.process(None, [sample])
    result = metric.evaluate(1)
    assert result["p_mpjpe_mm"] == pytest.approx(float(F.p_mpjpe(pred, gt)), rel=1e-9)
    assert "kpt2d_err_pct" not in result
    assert result["mpjpe_mm/Sit"] == pytest.approx(float(F.mpjpe(pred[6:], gt[6:])), rel=1e-9)


def test_diverged_predictions_give_nan_and_no_crash(pair, reference):
    pred, gt = pair
    metric = PoseMetric(reference_poses=reference)
    metric.process(None, [s.to_dict() for s in make_samples(np.full_like(pred, np.nan), gt)])
    result = metric.evaluate(12)
    assert np.isnan(result["p_mpjpe_mm"]) and np.isnan(result["pred_spread_mm"])
    assert result["pck150_pct"] == 0
    assert np.isfinite(result["baseline_mean_pose_p_mpjpe_mm"])


def test_coarse_prediction_is_compared_at_the_size_of_the_truth():
    coarse = np.array([[[0, 1], [2, 0]]], np.uint8)
    fine = coarse.repeat(4, 1).repeat(4, 2)
    metric = PartSegMetric(per_part=True)
    sample = {"pred_fields": {"part_labels": coarse}, "gt_fields": {"part_labels": fine}}
    metric.process(None, [sample])
    result = metric.evaluate(1)
    assert result["part_miou_pct"] == 100 and result["fg_iou_pct"] == 100
    assert result["part_iou_pct/head"] == 100 and np.isnan(result["part_iou_pct/left_hand"])


def test_messages_for_bad_use(pair, tmp_path):
    with pytest.raises(ValueError, match=r"reference_poses=.*baselines=False"):
        PoseMetric()
    with pytest.raises(FileNotFoundError, match=r"Make it with .*make_synthetic\.py"):
        PoseMetric(reference_poses=tmp_path / "none.npz")
    sample = make_samples(*(x[:1] for x in pair))[0].to_dict()
    for metric, key, words in (
        (PoseMetric(baselines=False), "pred_instances", r"no pred_instances\.keypoints"),
        (PoseMetric(baselines=False), "gt_instances", r"no gt_instances\.lifting_target"),
        (PartSegMetric(), "pred_fields", r"no pred_fields\.part_labels"),
        (PartSegMetric(), "gt_fields", r"no gt_fields\.part_labels.*data set"),
    ):
        broken = {k: v for k, v in sample.items() if k != key}
        with pytest.raises(ValueError, match=words):
            metric.process(None, [broken])
        with pytest.raises(ValueError, match="no samples"):
            metric.compute_metrics([])
    sample["pred_instances"]["keypoints"] = torch.zeros(2, 17, 3)
    with pytest.raises(ValueError, match="one shape"):
        PoseMetric(baselines=False).process(None, [sample])


def evaluate_share(rank, init_file, samples, reference, queue):
    """One of two processes: every second sample, as mmengine's sampler deals them."""
    torch.set_num_threads(1)  # a forked process must not enter the parent's thread pool
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{init_file}", rank=rank, world_size=2
    )
    evaluator = Evaluator([PoseMetric(reference_poses=reference), PartSegMetric()])
    evaluator.process(samples[rank::2])
    result = evaluator.evaluate(11)
    queue.put(result)
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_numbers_of_one(pair, reference, tmp_path):
    pred, gt = pair
    samples = make_samples(pred, gt)[:11]
    evaluator = Evaluator([PoseMetric(reference_poses=reference), PartSegMetric()])
    evaluator.process(samples)
    expected = evaluator.evaluate(11)

    queue = mp.get_context("fork").SimpleQueue()
    padded = [*samples, samples[0]]  # the sampler repeats a sample so that both have six
    arguments = (str(tmp_path / "init"), padded, reference, queue)
    # Forked, for spawned ones would spend half a minute on importing torch and mmpose.
    mp.start_processes(evaluate_share, arguments, nprocs=2, start_method="fork")
    for _ in range(2):
        assert queue.get() == pytest.approx(expected, rel=1e-12)
