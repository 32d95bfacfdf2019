"""mmpose's own lifters train and test on the layout that cmu_mocap.py writes."""

import json
import math

import mmengine
import numpy as np
import pytest
from mmpose.evaluation.functional import keypoint_mpjpe
from part_synth.datasets.mocap_benchmark import MocapRecipe, make_mocap_benchmark
from part_synth.datasets.motion_io import MotionClips, save_motions
from part_synth.datasets.synthetic.motions import make_motion
from tiny_runs import ROOT, run

# Sizes that a test can afford; everything else is as shipped.
SMALL = [
    "train_cfg.max_epochs=1",
    "train_dataloader.batch_size=4",
    "train_dataloader.dataset.indices=8",
    "model.backbone.stem_channels=32",
    "model.head.in_channels=32",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A set of three people who wave, with noise."""
    root = tmp_path_factory.mktemp("mocap")
    rng = np.random.default_rng(0)
    xyz = np.concatenate([make_motion("wave", rng, 30, 30.0) for _ in range(3)])
    names = np.array(["a", "b", "c"])
    splits = np.array(["train", "val", "test"])
    clips = MotionClips(
        xyz.astype(np.float32), np.arange(3) * 30, np.full(3, 30), 30.0, names, names, names, splits
    )
    save_motions(root / "m.npz", clips)
    make_mocap_benchmark(MocapRecipe((str(root / "m.npz"),), noise=5.0, cameras=2), root / "set")
    return root / "set"


@pytest.mark.parametrize(
    ("config", "source"), [("simplebaseline3d_cmu", "gt"), ("videopose3d_cmu", "detection")]
)
def test_trains_and_tests_in_millimetres(config, source, data, tmp_path, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    path = ROOT / "configs" / "mmpose_lifters" / f"{config}.py"
    options = list(SMALL)
    for split in ("train", "val", "test"):
        dataset = f"{split}_dataloader.dataset"
        options += [f"{dataset}.data_root={data}", f"{dataset}.keypoint_2d_src={source}"]
        options += [f"{dataset}.keypoint_2d_det_file=joint_2d_det/{split}_noise5.npy"]
    for split in ("val", "test"):
        options.append(f"{split}_evaluator.0.reference_poses={data / 'reference_poses.npz'}")
    work = tmp_path / "work"
    assert not run("train", path, "--work-dir", work, monkeypatch=monkeypatch, options=options)
    results = json.loads((work / "results.json").read_text())
    assert 20.0 < results["p_mpjpe_mm"] < 2000.0
    assert results["p_mpjpe_mm"] != results["untrained/p_mpjpe_mm"]
    assert 20.0 < results["baseline_mean_pose_p_mpjpe_mm"] < 500.0

    best = next(work.glob("best_p_mpjpe_mm_*.pth"))
    files = ["--dump", tmp_path / "all.pkl", "--out", tmp_path / "metrics.json"]
    arguments = [path, best, "--work-dir", tmp_path / "test", *files]
    assert not run("test", *arguments, monkeypatch=monkeypatch, options=options)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    samples = mmengine.load(tmp_path / "all.pkl")
    assert len(samples) == 60  # every frame of both cameras
    pred, true = (
        np.concatenate([np.asarray(s[k][n]).reshape(-1, 17, 3) for s in samples])
        for k, n in (("pred_instances", "keypoints"), ("gt_instances", "lifting_target"))
    )
    # mmpose's error of the same predictions, in metres.
    seen = np.ones(pred.shape[:2], bool)
    aligned = keypoint_mpjpe(pred, true, seen, "procrustes")
    assert math.isclose(metrics["p_mpjpe_mm"], 1000 * aligned, rel_tol=1e-3)
    relative = keypoint_mpjpe(pred - pred[:, :1], true - true[:, :1], seen)
    assert math.isclose(metrics["mpjpe_mm"], 1000 * relative, rel_tol=1e-3)
