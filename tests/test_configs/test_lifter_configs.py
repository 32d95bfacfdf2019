"""Every shipped lifter config trains, tests and resumes on small made data in its layout."""

import json
import math

import numpy as np
import pytest
from data_factory import make_tiny_3dhp, make_tiny_h36m, make_unpaired_poses
from tiny_runs import ROOT, launch, logged_losses, run

CONFIGS = [
    "lifter_cmu",
    "lifter_cmu_chen2019",
    "lifter_cmu_clip",
    "lifter_cmu_flow",
    "lifter_cmu_noise5",
    "lifter_cmu_adapted",
    "lifter_supervised_cmu",
    "lifter_synthetic",
    "lifter_synthetic_chen2019",
    "lifter_supervised_synthetic",
    "lifter_made",
    "lifter_h36m",
    "lifter_3dhp",
    "ablations/lifter_cmu_motion",
    "ablations/lifter_cmu_uniform_views",
]
GEOMETRIC = {"cycle_2d", "cycle_3d", "bones", "deformation", "pose", "pose_critic"}
MOTION = {"motion", "motion_critic"}
# Sizes that a test can afford; everything else is as shipped.
SMALL = [
    "train_dataloader.batch_size=8",
    "train_dataloader.sampler.samples_per_epoch=32",
    "default_hooks.logger.interval=1",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    make_tiny_h36m(
        root / "h36m", subjects=("S1", "S8", "S9"), actions=("Walk",), frames=60, parts=False
    )
    make_tiny_3dhp(root / "3dhp", subjects=("S1", "S8"), frames=60)
    (root / "h36m" / "joint_2d_det").mkdir()
    for split in ("train", "val", "test"):
        annotated = np.load(root / "h36m" / "annotation_body3d" / f"{split}.npz")["part"]
        detected = annotated + np.random.default_rng(0).normal(0, 0.3, annotated.shape)
        np.save(root / "h36m" / "joint_2d_det" / f"{split}_noise5.npy", detected)
    return {
        "h36m": root / "h36m",
        "3dhp": root / "3dhp",
        "poses": make_unpaired_poses(root / "unpaired.npz", frames=150),
    }


def options(config, data, epochs):
    """--cfg-options that point a shipped config to the tiny data."""
    splits = ("train", "val", "test")
    root = data["3dhp" if config == "lifter_3dhp" else "h36m"]
    chosen = [
        *SMALL,
        *(f"{s}_dataloader.dataset.data_root={root}" for s in splits),
        *(f"{s}_evaluator.reference_poses={data['poses']}" for s in ("val", "test")),
        f"train_cfg.max_epochs={epochs}",
    ]
    if "supervised" not in config and "chen" not in config:
        chosen.append(f"model.objective.losses.bones.ratios={data['poses']}")
    if config == "lifter_cmu_adapted":
        external = "custom_hooks.0.external"
        chosen += [f"{external}.data_root={root}", f"{external}.synthetic=None"]
        chosen += ["custom_hooks.0.steps=5"]
    if config == "lifter_cmu_flow":
        chosen.append("custom_hooks.0.options.FlowPrior.steps=5")
    if config == "lifter_made":
        chosen.append("val_dataloader.dataset.frame_step=1")
    if "synthetic" in config:
        chosen += [f"{s}_dataloader.dataset.synthetic=None" for s in splits]
    if config in ("lifter_h36m", "lifter_3dhp"):
        # The tiny sets have fewer people than the protocol.
        chosen += ["train_dataloader.dataset.subjects=[S1]", "val_dataloader.dataset.frame_step=1"]
        chosen += ["test_dataloader.dataset.frame_step=1"]
    if config == "lifter_h36m":
        # The tiny set keeps S8 in a file of its own.
        chosen.append("val_dataloader.dataset.split=val")
    return chosen


def losses_of(config):
    """Names of the losses that a config must train with."""
    if "supervised" in config:
        return {"mpjpe"}
    if "chen2019" in config:
        return (GEOMETRIC | MOTION) - {"bones", "deformation"}
    names = GEOMETRIC | (MOTION if config.endswith(("clip", "motion")) else set())
    return names | ({"flow"} if config.endswith("flow") else set())


def train(config, data, work, monkeypatch, *arguments, epochs=1, extra=()):
    monkeypatch.delenv("RANK", raising=False)
    path = ROOT / "configs" / f"{config}.py"
    chosen = [*options(config, data, epochs), *extra]
    status = run(
        "train", path, "--work-dir", work, *arguments, monkeypatch=monkeypatch, options=chosen
    )
    assert not status
    return path


@pytest.mark.parametrize("config", CONFIGS)
def test_trains_and_tests(config, data, tmp_path, monkeypatch):
    work = tmp_path / "work"
    path = train(config, data, work, monkeypatch)
    results = json.loads((work / "results.json").read_text())
    for key in ("mpjpe_mm", "n_mpjpe_mm", "p_mpjpe_mm", "depth_flip_pct", "untrained/p_mpjpe_mm"):
        assert math.isfinite(results[key])
    assert results["baseline_mean_pose_p_mpjpe_mm"] < results["baseline_random_pose_p_mpjpe_mm"]
    assert list(work.glob("*/predictions/epoch_*.png"))
    losses = next(iter(logged_losses(work).values()))
    assert all(math.isfinite(value) for value in losses.values())
    assert set(losses) - {"loss"} == {f"loss_{name}" for name in losses_of(config)}

    # tools/test.py reproduces the last row from the best checkpoint.
    out = tmp_path / "metrics.json"
    best = next(work.glob("best_p_mpjpe_mm_*.pth"))
    status = run(
        "test",
        path,
        best,
        "--work-dir",
        tmp_path / "test",
        "--out",
        out,
        monkeypatch=monkeypatch,
        options=options(config, data, 1),
    )
    assert not status
    assert json.loads(out.read_text())["p_mpjpe_mm"] == pytest.approx(results["p_mpjpe_mm"])


@pytest.mark.parametrize("name", ["cycle_2d", "cycle_3d", "bones", "deformation"])
def test_each_loss_can_be_switched_off(name, data, tmp_path, monkeypatch, capsys):
    extra = [f"model.objective.losses.{name}=None"]
    train("lifter_cmu", data, tmp_path, monkeypatch, "--no-validate", extra=extra)
    assert f"left out by the config: {name}; kept: " in "".join(capsys.readouterr())
    losses = next(iter(logged_losses(tmp_path).values()))
    assert f"loss_{name}" not in losses
    assert "loss_pose" in losses


def test_without_a_game_no_real_clips_are_needed(data, tmp_path, monkeypatch):
    extra = ["model.objective.adversarial.pose=None", "train_dataloader.dataset.real=False"]
    train("lifter_cmu", data, tmp_path, monkeypatch, "--no-validate", extra=extra)
    assert not any("critic" in name for name in next(iter(logged_losses(tmp_path).values())))


def test_a_game_without_real_clips_is_explained(data, tmp_path, monkeypatch, capsys):
    path = ROOT / "configs" / "lifter_cmu.py"
    chosen = [*options("lifter_cmu", data, 1), "train_dataloader.dataset.real=False"]
    arguments = [path, "--work-dir", tmp_path, "--no-validate"]
    assert run("train", *arguments, monkeypatch=monkeypatch, options=chosen) == 2
    assert "set real=True" in capsys.readouterr().err


def test_resumed_run_has_the_losses_of_an_unbroken_one(data, tmp_path, monkeypatch):
    train("lifter_cmu", data, tmp_path / "whole", monkeypatch, epochs=3)
    train("lifter_cmu", data, tmp_path / "broken", monkeypatch, "--no-validate", epochs=3)
    # As if killed in the third epoch: its checkpoint and all later traces are gone.
    (tmp_path / "broken" / "epoch_3.pth").unlink()
    (tmp_path / "broken" / "last_checkpoint").write_text(str(tmp_path / "broken" / "epoch_2.pth"))
    for log in (tmp_path / "broken").glob("*/vis_data/scalars.json"):
        log.unlink()
    train("lifter_cmu", data, tmp_path / "broken", monkeypatch, "--resume", "auto", epochs=3)
    whole, resumed = logged_losses(tmp_path / "whole"), logged_losses(tmp_path / "broken")
    assert {epoch for epoch, _ in resumed} == {3}
    last = {key: losses for key, losses in whole.items() if key[0] == 3}
    assert last == resumed and len(last) == 4


def test_two_processes_keep_the_same_weights(data, tmp_path):
    """In the first steps the network of the elevation has no gradient."""
    config, work = tmp_path / "two_processes.py", tmp_path / "work"
    config.write_text(
        f"_base_ = [{str(ROOT / 'configs' / 'lifter_cmu.py')!r}]\n"
        'custom_imports = dict(imports=["tiny_project"], allow_failed_imports=False)\n'
        'default_hooks = dict(weights=dict(type="WeightSumHook"))\n'
    )
    chosen = [*options("lifter_cmu", data, 2), "env_cfg.dist_cfg.backend=gloo"]
    chosen.append("model.objective.views.hold=3")
    result = launch(
        tmp_path, "dist_train.sh", config, 2, "--work-dir", work, "--cfg-options", *chosen
    )
    assert result.returncode == 0, result.stderr
    weights = [(work / f"weights.{rank}.txt").read_text() for rank in (0, 1)]
    assert weights[0] == weights[1]
    assert math.isfinite(json.loads((work / "results.json").read_text())["p_mpjpe_mm"])
