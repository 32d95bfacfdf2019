"""The pose prior trains beforehand with the usual tools, and system A takes it."""

import json

import pytest
import torch
from data_factory import make_unpaired_poses
from tiny_runs import ROOT, run

pytestmark = pytest.mark.timeout(300)


def test_trains_validates_and_tests(tmp_path, monkeypatch):
    poses = make_unpaired_poses(tmp_path / "unpaired_poses.npz", frames=300)
    folder = tmp_path if poses is None else poses.parent
    options = ["train_dataloader.batch_size=32", "train_cfg.max_epochs=2"]
    options += ["train_dataloader.sampler.samples_per_epoch=320"]
    for split in ("train", "val", "test"):
        dataset = f"{split}_dataloader.dataset"
        options += [f"{dataset}.data_root={folder}", f"{dataset}.synthetic=None"]
    config, work = ROOT / "configs/pose_prior_synthetic.py", tmp_path / "work"
    assert not run("train", config, "--work-dir", work, monkeypatch=monkeypatch, options=options)
    best = next(work.glob("best_reconstruction_mm_*.pth"))
    state = torch.load(best, weights_only=False)["state_dict"]
    assert float(state["prior.lengths"].sum()) > 1
    out = tmp_path / "metrics.json"
    arguments = ("test", config, best, "--work-dir", tmp_path / "test", "--out", out)
    assert not run(*arguments, monkeypatch=monkeypatch, options=options)
    assert 0 < json.loads(out.read_text())["reconstruction_mm"] < 500
