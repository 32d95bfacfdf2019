"""The configs for one's own videos train a few steps on what prepare_videos writes."""

import numpy as np
import pytest
import torch
from data_factory import make_tiny_3dhp, make_tiny_h36m, make_unpaired_poses
from part_synth.apis import lift, load_config, load_lifter
from part_synth.datasets.wild import ClipRules, WildOptions, prepare_videos
from part_synth.datasets.wild.people import KeypointFilePeople
from tiny_runs import ROOT, logged_losses, run
from tiny_wild import save_keypoints, write_video

pytestmark = pytest.mark.timeout(600)

SMALL = [
    "train_dataloader.batch_size=2",
    "train_dataloader.sampler.samples_per_epoch=10",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "model.objectives.puppet.batch_size=4",
    "model.objectives.puppet.fresh=2",
    "custom_hooks.0.steps=20",
    "custom_hooks.1.phases.0.until=1",
    "default_hooks.logger.interval=1",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Root of the prepared videos, one camera that stands still and one that pans."""
    folder = tmp_path_factory.mktemp("wild")
    for name, pan in (("still", 0), ("pan", 40)):
        boxes = write_video(folder / f"{name}.mp4", seconds=6.0, people=2, pan=pan)
        save_keypoints(folder / f"{name}.npz", boxes)
    prepare_videos(
        [folder / "still.mp4", folder / "pan.mp4"],
        folder / "set",
        lambda video: KeypointFilePeople(video.with_suffix(".npz"), None, 0.3),
        options=WildOptions(rules=ClipRules(min_size=40)),
    )
    return folder / "set"


def train(config, work, monkeypatch, options):
    monkeypatch.delenv("RANK", raising=False)
    path = ROOT / "configs" / f"{config}.py"
    status = run("train", path, "--work-dir", work, monkeypatch=monkeypatch, options=options)
    assert not status
    return path


def test_lifter(data, tmp_path, monkeypatch):
    options = ["train_dataloader.batch_size=16", "train_dataloader.sampler.samples_per_epoch=48"]
    options.append("train_cfg.max_epochs=1")
    options.append(f"train_dataloader.dataset.data_root={data}")
    path = train("lifter_wild", tmp_path, monkeypatch, options)
    model = load_lifter((path, tmp_path / "epoch_1.pth"))
    assert not list(tmp_path.glob("best_*"))
    # What fills in missing joints was fitted to these people.
    assert model.infill.fitted
    points = np.random.default_rng(0).uniform(100, 300, (3, 17, 2))
    assert lift(points, skeleton="h36m", model=model).ok.all()


@pytest.mark.parametrize("moving", [False, True])
def test_part_synth(data, tmp_path, monkeypatch, moving):
    poses = make_unpaired_poses(tmp_path / "poses.npz", frames=150)
    options = [*SMALL, f"model.unpaired_poses={poses}", "train_cfg.max_epochs=2"]
    options += [f"train_dataloader.dataset.data_root={data}"]
    options += ["train_dataloader.dataset.crop.size=64"]
    if moving:
        options.append("train_dataloader.dataset.layout_options.moving=None")
        options.append("train_dataloader.dataset.crop.background=None")
    path = train("part_synth_wild", tmp_path / "work", monkeypatch, options)
    checkpoint = torch.load(tmp_path / "work" / "epoch_2.pth", weights_only=False)
    assert all(v.isfinite().all() for v in checkpoint["state_dict"].values())
    # What inference and the export read.
    assert load_config(str(path)).test_dataloader.dataset.crop.size == 224


def test_still_and_moving_cameras_together(data, tmp_path, monkeypatch):
    poses = make_unpaired_poses(tmp_path / "poses.npz", frames=150)
    options = [*SMALL, f"model.unpaired_poses={poses}", "train_cfg.max_epochs=2"]
    for source in ("still", "moving"):
        dataset = f"train_dataloader.dataset.datasets.{source}"
        options += [f"{dataset}.data_root={data}", f"{dataset}.crop.size=64"]
        options += [f"train_dataloader.batch_sampler.counts.{source}=1"]
    work = tmp_path / "work"
    train("part_synth_wild_mixed", work, monkeypatch, options)
    checkpoint = torch.load(work / "epoch_2.pth", weights_only=False)
    assert all(v.isfinite().all() for v in checkpoint["state_dict"].values())
    names = {name for step in logged_losses(work).values() for name in step if "/" in name}
    expected = {"puppet", "synthesis", "cycle"}
    assert {name.split("/")[0] for name in names} == expected


def test_licensed_sets_and_own_videos_together(data, tmp_path, monkeypatch):
    poses = make_unpaired_poses(tmp_path / "poses.npz", frames=150)
    make_tiny_h36m(tmp_path / "h36m", subjects=("S1", "S8", "S9"), actions=("Walk",), frames=8)
    make_tiny_3dhp(tmp_path / "3dhp", subjects=("S1", "S8"))
    roots = {"h36m": tmp_path / "h36m", "mpi_inf_3dhp": tmp_path / "3dhp", "wild": data}
    options = [*SMALL, f"model.unpaired_poses={poses}", "train_cfg.max_epochs=2"]
    options += ["train_dataloader.batch_size=3", "train_dataloader.sampler.samples_per_epoch=15"]
    for source, root in roots.items():
        dataset = f"train_dataloader.dataset.datasets.{source}"
        options += [f"{dataset}.data_root={root}", f"{dataset}.crop.size=64"]
        options += [f"train_dataloader.batch_sampler.counts.{source}=1"]
        if source != "wild":
            options += [f"{dataset}.subjects=[S1]", f"{dataset}.min_gap=0.1"]
    for split in ("val", "test"):
        options += [f"{split}_dataloader.num_workers=0", f"{split}_dataloader.dataset.crop.size=64"]
        options += [f"{split}_dataloader.dataset.data_root={roots['h36m']}"]
        options += [f"{split}_evaluator.reference_poses={poses}"]
        options += [f"{split}_dataloader.dataset.frame_step=6"]
    options += ["val_dataloader.persistent_workers=False", "val_dataloader.dataset.split=val"]
    work = tmp_path / "work"
    train("part_synth_mixed", work, monkeypatch, options)
    names = {name for step in logged_losses(work).values() for name in step if "/" in name}
    expected = {"puppet", "synthesis", "cycle"}
    assert {name.split("/")[0] for name in names} == expected
    assert (work / "results.json").is_file()
