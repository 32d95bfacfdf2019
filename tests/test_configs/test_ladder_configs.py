"""The ladder of supervision and the ablations of system A train on small made data."""

import json
import math

import pytest
from data_factory import make_tiny_h36m, make_unpaired_poses
from tiny_runs import ROOT, logged_losses, run

pytestmark = pytest.mark.timeout(600)

SMALL = [
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "val_dataloader.dataset.frame_step=6",
    "test_dataloader.num_workers=0",
    "test_dataloader.dataset.frame_step=6",
    "custom_hooks.0.steps=20",
    "default_hooks.logger.interval=1",
    "train_cfg.max_epochs=2",
]
PUPPETS = [
    f"model.objectives.{name}.{option}"
    for name in ("puppet", "uneven")
    for option in ("batch_size=4", "fresh=2")
]
PHASES = ["custom_hooks.1.phases.0.until=1"]
BATCH = ["train_dataloader.batch_size=2", "train_dataloader.sampler.samples_per_epoch=12"]
VIDEOS = ["train_dataloader.dataset.min_gap=0.1"]
SOURCES = "train_dataloader.dataset.datasets."
# Config: options, objectives that take a turn.
ROWS = {
    "ladder/multi_view": (
        [*PUPPETS, *PHASES, *BATCH, "train_dataloader.dataset.num_views=2"],
        {"puppet", "uneven", "agreed"},
    ),
    "ladder/labels_2d": ([*PUPPETS, *PHASES, *BATCH, *VIDEOS], {"puppet", "uneven", "labelled"}),
    "ladder/labels_3d": ([*PUPPETS, *PHASES, *BATCH, *VIDEOS], {"puppet", "uneven", "labelled"}),
    "ladder/labels_3d_5pct": (
        [
            *PUPPETS,
            *PHASES,
            "train_dataloader.batch_size=4",
            "train_dataloader.batch_sampler.counts.videos=2",
            "train_dataloader.batch_sampler.counts.labelled=2",
            "train_dataloader.sampler.samples_per_epoch=28",
            f"{SOURCES}videos.min_gap=0.1",
            f"{SOURCES}videos.num_frames=2",
            f"{SOURCES}labelled.num_views=2",
        ],
        {"puppet", "uneven", "synthesis", "cycle", "consistency", "labelled"},
    ),
    "ladder/labels_3d_5pct_alone": (
        [*BATCH, "train_dataloader.dataset.num_views=2"],
        {"labelled"},
    ),
    "ablations/part_synth_puppets": (
        [*PUPPETS, *PHASES, *BATCH, *VIDEOS],
        {"puppet", "uneven"},
    ),
    "ablations/part_synth_muon": (
        [*PUPPETS, *PHASES, *BATCH, *VIDEOS, "model.objectives.puppet.start=4"],
        {"puppet", "uneven", "synthesis", "cycle", "consistency"},
    ),
    "ablations/part_synth_short": (
        [*PUPPETS, *PHASES, *BATCH, *VIDEOS],
        {"puppet", "uneven", "synthesis", "cycle", "consistency"},
    ),
    "ablations/part_synth_alternating": (
        [*PUPPETS[:2], *PHASES, *BATCH, *VIDEOS],
        {"puppet", "foreground", "reconstruction", "parts"},
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    make_tiny_h36m(root / "h36m", subjects=("S1", "S8", "S9"), actions=("Walk",), frames=8)
    return root / "h36m", make_unpaired_poses(root / "unpaired.npz", frames=150)


@pytest.mark.parametrize("config", ROWS)
def test_every_rung_trains(config, data, tmp_path, monkeypatch):
    folder, poses = data
    chosen, objectives = ROWS[config]
    training = ["train_dataloader.dataset"]
    if config.endswith("5pct"):
        training = [f"{SOURCES}videos", f"{SOURCES}labelled"]
    options = [*SMALL, *chosen, f"model.unpaired_poses={poses}"]
    for dataset in (*training, "val_dataloader.dataset", "test_dataloader.dataset"):
        options += [f"{dataset}.data_root={folder}", f"{dataset}.synthetic=None"]
        options += [f"{dataset}.crop.size=32", f"{dataset}.crop.cache=None"]
    options += [f"{s}_evaluator.0.reference_poses={poses}" for s in ("val", "test")]
    work = tmp_path / "work"
    path = ROOT / "configs" / f"{config}.py"
    assert not run("train", path, "--work-dir", work, monkeypatch=monkeypatch, options=options)
    results = json.loads((work / "results.json").read_text())
    assert math.isfinite(results["p_mpjpe_mm"])
    losses = logged_losses(work)
    names = {name for step in losses.values() for name in step if "/" in name}
    assert {name.split("/")[0] for name in names} == objectives
    assert all(math.isfinite(value) for step in losses.values() for value in step.values())
