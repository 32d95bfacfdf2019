"""Every shipped config trains, tests and resumes on small made data in the layout it expects."""

import json
import math

import pytest
import torch
from data_factory import make_tiny_3dhp, make_tiny_h36m, make_unpaired_poses
from tiny_runs import ROOT, launch, logged_losses, run

pytestmark = pytest.mark.timeout(600)

METRICS = (
    "mpjpe_mm",
    "n_mpjpe_mm",
    "p_mpjpe_mm",
    "p_mpjpe_flip_tolerant_mm",
    "pck150_pct",
    "auc_pct",
    "baseline_mean_pose_p_mpjpe_mm",
    "baseline_random_pose_p_mpjpe_mm",
)
# Sizes that a test can afford; everything else is as shipped.
SMALL = [
    "train_dataloader.batch_size=2",
    "train_dataloader.sampler.samples_per_epoch=10",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.batch_size=4",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "val_dataloader.dataset.frame_step=6",
    "test_dataloader.batch_size=4",
    "test_dataloader.num_workers=0",
    "test_dataloader.dataset.frame_step=6",
    "train_dataloader.dataset.crop.size=64",
    "val_dataloader.dataset.crop.size=64",
    "test_dataloader.dataset.crop.size=64",
    "custom_hooks.0.steps=20",
    "default_hooks.logger.interval=1",
    "train_cfg.val_interval=1",
]
LABEL_FREE = [
    "model.objectives.puppet.batch_size=4",
    "model.objectives.puppet.fresh=2",
    "model.objectives.puppet.start=4",
    "custom_hooks.1.phases.0.until=1",
]
UNEVEN = [option.replace("puppet", "uneven") for option in LABEL_FREE if "puppet" in option]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Roots of the tiny data sets and a file of unpaired poses."""
    root = tmp_path_factory.mktemp("data")
    make_tiny_h36m(root / "h36m", subjects=("S1", "S8", "S9"), actions=("Walk",), frames=8)
    make_tiny_3dhp(root / "3dhp", subjects=("S1", "S8"))
    poses = make_unpaired_poses(root / "unpaired.npz", frames=150)
    return {"h36m": root / "h36m", "3dhp": root / "3dhp", "poses": poses or root / "unpaired.npz"}


def options(config, data, epochs):
    """--cfg-options that point a shipped config to the tiny data."""
    root = data["3dhp" if config == "part_synth_3dhp" else "h36m"]
    loaders = [f"{split}_dataloader.dataset" for split in ("train", "val", "test")]
    evaluator = "{}_evaluator.0" if "synthetic" in config else "{}_evaluator"
    chosen = [
        *SMALL,
        *(f"{loader}.data_root={root}" for loader in loaders),
        *(f"{evaluator.format(s)}.reference_poses={data['poses']}" for s in ("val", "test")),
        f"model.unpaired_poses={data['poses']}",
        f"train_cfg.max_epochs={epochs}",
    ]
    if "synthetic" in config:
        chosen += [f"{loader}.synthetic=None" for loader in loaders]
    else:
        # The tiny sets have fewer people than the protocol.
        chosen.append("train_dataloader.dataset.subjects=[S1]")
    if config == "part_synth_h36m":
        # The tiny set keeps S8 in a file of its own.
        chosen.append("val_dataloader.dataset.split=val")
    if "supervised" not in config:
        chosen += [*LABEL_FREE, "train_dataloader.dataset.min_gap=0.1"]
        chosen += UNEVEN if config == "part_synth_synthetic_64px" else []
    return chosen


def train(config, data, work, monkeypatch, *arguments, epochs=2):
    monkeypatch.delenv("RANK", raising=False)
    path = ROOT / "configs" / f"{config}.py"
    status = run(
        "train",
        path,
        "--work-dir",
        work,
        *arguments,
        monkeypatch=monkeypatch,
        options=options(config, data, epochs),
    )
    assert not status
    return path


@pytest.mark.parametrize(
    "config",
    [
        "part_synth_synthetic",
        "part_synth_synthetic_64px",
        "part_synth_synthetic_long",
        "part_synth_synthetic_supervised",
        "part_synth_synthetic_res50",
        "part_synth_h36m",
        "part_synth_3dhp",
    ],
)
def test_trains_and_tests(config, data, tmp_path, monkeypatch, capfd):
    work = tmp_path / "work"
    path = train(config, data, work, monkeypatch)
    results = json.loads((work / "results.json").read_text())
    assert all(math.isfinite(results[key]) for key in METRICS)
    assert math.isfinite(results["untrained/p_mpjpe_mm"])
    assert (work / "results.md").read_text().count("|") > 20
    assert list(work.glob("*/predictions/epoch_*.png"))
    # Torch's safe mode, as mmengine sets it up, reads the best checkpoint.
    assert "safely load" not in "".join(capfd.readouterr())
    names = {name for losses in logged_losses(work).values() for name in losses}
    if config == "part_synth_synthetic_supervised":
        expected = {"supervised"}
    elif config == "part_synth_synthetic_64px":
        expected = {"puppet", "uneven", "synthesis", "cycle", "consistency"}
    else:
        expected = {"puppet", "synthesis", "cycle"}
    assert {name.split("/")[0] for name in names if "/" in name} == expected

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
        options=options(config, data, 2),
    )
    assert not status
    metrics = json.loads(out.read_text())
    for key in METRICS:
        assert metrics[key] == pytest.approx(results[key], rel=1e-6), key


def test_resumed_run_has_the_losses_of_an_unbroken_one(data, tmp_path, monkeypatch):
    config = "part_synth_synthetic"
    train(config, data, tmp_path / "whole", monkeypatch, epochs=3)
    train(config, data, tmp_path / "broken", monkeypatch, "--no-validate", epochs=3)
    # As if killed in the third epoch: its checkpoint and all later traces are gone.
    (tmp_path / "broken" / "epoch_3.pth").unlink()
    (tmp_path / "broken" / "last_checkpoint").write_text(str(tmp_path / "broken" / "epoch_2.pth"))
    for log in (tmp_path / "broken").glob("*/vis_data/scalars.json"):
        log.unlink()
    train(config, data, tmp_path / "broken", monkeypatch, "--resume", "auto", epochs=3)
    whole, resumed = logged_losses(tmp_path / "whole"), logged_losses(tmp_path / "broken")
    assert {epoch for epoch, _ in resumed} == {3}
    last = {key: losses for key, losses in whole.items() if key[0] == 3}
    assert last == resumed and len(last) == 5


def test_two_processes_keep_the_same_weights(data, tmp_path):
    """Objectives that take turns leave other weights without a gradient in each step."""
    config, work = tmp_path / "two_processes.py", tmp_path / "work"
    shipped = ROOT / "configs" / "part_synth_synthetic.py"
    config.write_text(
        f"_base_ = [{str(shipped)!r}]\n"
        'custom_imports = dict(imports=["tiny_project"], allow_failed_imports=False)\n'
        'default_hooks = dict(weights=dict(type="WeightSumHook"))\n'
    )
    chosen = [*options("part_synth_synthetic", data, 2), "env_cfg.dist_cfg.backend=gloo"]
    chosen.append("train_dataloader.sampler.samples_per_epoch=20")
    result = launch(
        tmp_path, "dist_train.sh", config, 2, "--work-dir", work, "--cfg-options", *chosen
    )
    assert result.returncode == 0, result.stderr
    weights = [(work / f"weights.{rank}.txt").read_text() for rank in (0, 1)]
    assert weights[0] == weights[1]
    names = {name for losses in logged_losses(work).values() for name in losses}
    objectives = {name.split("/")[0] for name in names if "/" in name}
    assert objectives == {"puppet", "synthesis", "cycle"}
    assert math.isfinite(json.loads((work / "results.json").read_text())["p_mpjpe_mm"])


def test_the_painter_learns_on_alone(data, tmp_path, monkeypatch):
    train("part_synth_synthetic", data, tmp_path / "first", monkeypatch, epochs=2)
    first = tmp_path / "first" / "epoch_2.pth"
    path = ROOT / "configs" / "part_synth_synthetic_painter.py"
    hooks = ("custom_hooks", "model.objectives")
    chosen = [o for o in options("part_synth_synthetic", data, 1) if not o.startswith(hooks)]
    chosen += ["train_dataloader.dataset.min_gap=0.1", f"load_from={first}"]
    work = tmp_path / "second"
    assert not run("train", path, "--work-dir", work, monkeypatch=monkeypatch, options=chosen)
    before = torch.load(first, weights_only=False)["state_dict"]
    after = torch.load(work / "epoch_1.pth", weights_only=False)["state_dict"]
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"appearance", "decoder"}
    results = json.loads((work / "results.json").read_text())
    assert math.isfinite(results["part_miou_pct"])
    # Beside the model as it was, whose poses are these.
    assert math.isfinite(results["untrained/part_miou_pct"])
    assert results["p_mpjpe_mm"] == pytest.approx(results["untrained/p_mpjpe_mm"], rel=1e-5)
    assert "before training" in (work / "results.md").read_text()
    assert list(work.glob("best_part_miou_pct_*.pth"))


def test_test_of_the_painter(data, tmp_path, monkeypatch):
    """Weights of part_synth_synthetic.py in part_synth_synthetic_novel_images.py."""
    train("part_synth_synthetic", data, tmp_path / "work", monkeypatch, "--no-validate")
    path = ROOT / "configs" / "part_synth_synthetic_novel_images.py"
    loader = [option for option in SMALL if option.startswith("test_dataloader")]
    chosen = [
        *(option for option in loader if "crop" not in option),
        "test_dataloader.dataset.min_gap=0.1",
        "test_dataloader.dataset.synthetic=None",
        f"test_dataloader.dataset.data_root={data['h36m']}",
        f"model.unpaired_poses={data['poses']}",
    ]
    out, weights = tmp_path / "metrics.json", tmp_path / "work" / "epoch_2.pth"
    arguments = ["--work-dir", tmp_path / "test", "--out", out]
    assert not run("test", path, weights, *arguments, monkeypatch=monkeypatch, options=chosen)
    metrics = json.loads(out.read_text())
    for answer in ("novel", "baseline_copy_source", "baseline_background"):
        assert metrics[f"{answer}_psnr_person_db"] > 0, answer
