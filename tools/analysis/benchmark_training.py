"""What the runner costs: steps per second of a lifter config, and of a bare loop of its parts.

    python tools/analysis/benchmark_training.py [CONFIG] [--iters 600] [--out benchmark_train.json]

Both train the same network with the same losses, batches, optimiser and precision, on motion made
for the purpose. The runner has all hooks of the config but the tests before and after; validation
is off. The bare loop has nothing but the loader's batches, the losses and the optimiser. The
repeats of both alternate.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from part_synth.apis.cli import run_tool
from part_synth.apis.config import load_config
from part_synth.datasets.mocap_benchmark import MocapRecipe, make_mocap_benchmark
from part_synth.datasets.motion_io import MotionClips, save_motions
from part_synth.datasets.synthetic.motions import make_motion
from part_synth.registry import HOOKS, MODELS
from rich.console import Console

_WARM_UP = 50


@HOOKS.register_module()
class StepClockHook(Hook):
    """Seconds from the end of the warm-up to the last step."""

    priority = "VERY_LOW"

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Look at the clock."""
        if batch_idx + 1 == _WARM_UP:
            self.start = time.perf_counter()
        self.seconds = time.perf_counter() - getattr(self, "start", time.perf_counter())


def make_data(folder: Path) -> Path:
    """A small benchmark set of people who walk."""
    rng = np.random.default_rng(0)
    length = 600
    clips = [make_motion("walk", rng, length, 30.0) for _ in range(6)]
    names = np.array([f"p{i}" for i in range(6)])
    splits = np.array(["train"] * 4 + ["val", "test"])
    starts, lengths = np.arange(6) * length, np.full(6, length)
    xyz = np.concatenate(clips).astype(np.float32)
    save_motions(
        folder / "m.npz", MotionClips(xyz, starts, lengths, 30.0, names, names, names, splits)
    )
    make_mocap_benchmark(MocapRecipe((str(folder / "m.npz"),)), folder / "set")
    return folder / "set"


def prepare(path: str, root: Path, iters: int) -> Config:
    """The config with other data, without validation, for one epoch of ``iters`` steps."""
    cfg = load_config(path)
    reference = str(root / "reference_poses.npz")
    cfg.train_dataloader.dataset.data_root = str(root)
    cfg.train_dataloader.sampler.samples_per_epoch = iters * cfg.train_dataloader.batch_size
    bones = cfg.model.objective.get("losses", {}).get("bones")
    if bones:
        bones.ratios = reference
    cfg.train_cfg = {"type": "EpochBasedTrainLoop", "max_epochs": 1, "val_interval": 1}
    for name in ("val_cfg", "val_dataloader", "val_evaluator"):
        cfg[name] = None
    for name in ("test_cfg", "test_dataloader", "test_evaluator"):
        cfg[name] = None
    kept = [h for h in cfg.custom_hooks if h.type != "part_synth.ResultsTableHook"]
    cfg.custom_hooks = [*kept, {"type": "part_synth.StepClockHook"}]
    cfg.default_hooks.checkpoint.save_best = None
    cfg.log_level = "WARNING"
    return cfg


def time_runner(cfg: Config, folder: Path, number: int) -> float:
    """Steps per second of the runner."""
    cfg = cfg.copy()
    cfg.work_dir = str(folder / f"run_{number}")
    cfg.experiment_name = f"benchmark_{number}"
    runner = Runner.from_cfg(cfg)
    runner.train()
    clock = next(hook for hook in runner.hooks if isinstance(hook, StepClockHook))
    return (runner.iter - _WARM_UP) / clock.seconds


def time_bare(cfg: Config) -> float:
    """Steps per second of a loop of the same parts."""
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    model = MODELS.build(cfg.model).train()
    settings = dict(cfg.optim_wrapper.optimizer)
    optimizer = getattr(torch.optim, settings.pop("type"))(model.parameters(), **settings)
    half = cfg.optim_wrapper.type == "part_synth.AutocastOptimWrapper"
    start = 0.0
    for number, batch in enumerate(loader):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses = model(batch["inputs"], mode="loss")
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        if number + 1 == _WARM_UP:
            start = time.perf_counter()
    return (number + 1 - _WARM_UP) / (time.perf_counter() - start)


def main() -> None:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default="configs/lifter_cmu.py")
    parser.add_argument("--iters", type=int, default=600, help="steps of each repeat")
    parser.add_argument("--repeats", type=int, default=3, help="of both")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--out", default="benchmark_train.json")
    args = parser.parse_args()
    if args.iters <= _WARM_UP:
        parser.error(f"--iters must be above the {_WARM_UP} steps of the warm-up")

    torch.set_num_threads(args.threads)
    init_default_scope("mmpose")
    runner_rates, bare_rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        cfg = prepare(args.config, make_data(Path(folder)), args.iters)
        for number in range(args.repeats):
            bare_rates.append(time_bare(cfg))
            runner_rates.append(time_runner(cfg, Path(folder), number))
    ratios = [a / b for a, b in zip(runner_rates, bare_rates, strict=True)]
    result = {
        "config": args.config,
        "machine": f"{platform.machine()}, torch {torch.__version__}, {args.threads} thread(s)",
        "runner_steps_per_s": runner_rates,
        "bare_steps_per_s": bare_rates,
        "ratio": statistics.median(ratios),
    }
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, value in result.items():
        console.print(f"{name}: {value}")
    Path(args.out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_tool(main))
