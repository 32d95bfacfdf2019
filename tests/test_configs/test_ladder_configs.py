"""The ladder of supervision and the ablations of system A train on small made data."""

import json
import math

import pytest
from tiny_runs import ROOT, logged_losses, run
from tiny_system_a import EVEN, PHASES, SMALL, VIDEOS, data_options, make_data

pytestmark = pytest.mark.timeout(600)

BATCH = ["train_dataloader.batch_size=2", "train_dataloader.sampler.samples_per_epoch=12"]
SOURCES = "train_dataloader.dataset.datasets."
FEW_LABELS = [
    *EVEN,
    *PHASES,
    "train_dataloader.batch_size=4",
    "train_dataloader.batch_sampler.counts.videos=2",
    "train_dataloader.batch_sampler.counts.labelled=2",
    "train_dataloader.sampler.samples_per_epoch=28",
    f"{SOURCES}videos.min_gap=0.1",
    f"{SOURCES}videos.num_frames=2",
    f"{SOURCES}labelled.num_views=2",
]
# Config: options, objectives that take a turn.
ROWS = {
    "ladder/multi_view": (
        [*EVEN, *PHASES, *BATCH, "train_dataloader.dataset.num_views=2"],
        {"puppet", "agreed"},
    ),
    "ladder/labels_2d": ([*EVEN, *PHASES, *BATCH, *VIDEOS], {"puppet", "labelled"}),
    "ladder/labels_3d": ([*EVEN, *PHASES, *BATCH, *VIDEOS], {"puppet", "labelled"}),
    "ladder/labels_3d_5pct": (FEW_LABELS, {"puppet", "synthesis", "cycle", "labelled"}),
    "ladder/labels_2d_3d_5pct": (FEW_LABELS, {"puppet", "labelled_2d", "labelled"}),
    "ladder/labels_3d_5pct_alone": (
        [*BATCH, "train_dataloader.dataset.num_views=2"],
        {"labelled"},
    ),
    "ablations/part_synth_puppets": (
        [*EVEN, *BATCH, *VIDEOS],
        {"puppet"},
    ),
    "ablations/part_synth_short": (
        [*EVEN, *PHASES, *BATCH, *VIDEOS],
        {"puppet", "synthesis", "cycle"},
    ),
    "ablations/part_synth_alternating": (
        [*EVEN, *PHASES, *BATCH, *VIDEOS],
        {"puppet", "foreground", "reconstruction", "parts"},
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("config", ROWS)
def test_every_rung_trains(config, data, tmp_path, monkeypatch):
    folder, poses = data
    chosen, objectives = ROWS[config]
    training = ["train_dataloader.dataset"]
    if config.endswith("5pct"):
        training = [f"{SOURCES}videos", f"{SOURCES}labelled"]
    options = [*SMALL, *chosen, *data_options(folder, poses, training)]
    work = tmp_path / "work"
    path = ROOT / "configs" / f"{config}.py"
    assert not run("train", path, "--work-dir", work, monkeypatch=monkeypatch, options=options)
    results = json.loads((work / "results.json").read_text())
    assert math.isfinite(results["p_mpjpe_mm"])
    losses = logged_losses(work)
    names = {name for step in losses.values() for name in step if "/" in name}
    assert {name.split("/")[0] for name in names} == objectives
    assert all(math.isfinite(value) for step in losses.values() for value in step.values())
