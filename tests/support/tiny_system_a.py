"""Options that shrink the configs of system A to a run of seconds on the tiny Human3.6M."""

from data_factory import make_tiny_h36m, make_unpaired_poses

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
EVEN = ["model.objectives.puppet.batch_size=4", "model.objectives.puppet.fresh=2"]
PHASES = ["custom_hooks.1.phases.0.until=1"]
VIDEOS = ["train_dataloader.dataset.min_gap=0.1"]


def make_data(root):
    """(folder of the tiny Human3.6M, file of unpaired poses)."""
    make_tiny_h36m(root / "h36m", subjects=("S1", "S8", "S9"), actions=("Walk",), frames=8)
    return root / "h36m", make_unpaired_poses(root / "unpaired.npz", frames=150)


def data_options(folder, poses, training=("train_dataloader.dataset",)):
    """--cfg-options that read those data."""
    options = [f"model.unpaired_poses={poses}"]
    for dataset in (*training, "val_dataloader.dataset", "test_dataloader.dataset"):
        options += [f"{dataset}.data_root={folder}", f"{dataset}.synthetic=None"]
        options += [f"{dataset}.crop.size=32", f"{dataset}.crop.cache=None"]
    return options + [f"{s}_evaluator.0.reference_poses={poses}" for s in ("val", "test")]
