"""The ablation of system A: each row leaves one piece out, or adds one.

python tools/analysis/ablation.py list
python tools/analysis/ablation.py run "everything" "no cycle" --seed 0
python tools/analysis/results.py --folder docs/results/ablation page
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from part_synth.apis.cli import run_tool
from part_synth.apis.errors import ConfigError
from part_synth.evaluation.results_page import row_slug

_ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/ablations/part_synth_short.py"
WHOLE = "everything"

_PUPPETS = "custom_hooks.1.phases.0.cycle"
_CYCLE = "custom_hooks.1.phases.1.cycle"
_O = "model.objectives"
# Another set, of other people: made on first use.
_MORE = "data/synthetic_128"
_PICTURES = (
    f"{_O}.synthesis.train_pose=True",
    f"{_O}.synthesis.optimizers=[encoder,synthesizer]",
)
# The setting of the paper: the empty scene is known in training, to the losses alone.
_FRAME_ALONE = (
    "model.encoder.use_background=False",
    "model.encoder.backbone.in_channels=3",
    "model.encoder.part_head.image_channels=3",
)
_BUT_READING = (
    *("reconstruction", "flat_reconstruction", "foreground", "segmentation"),
    *("agreement", "tie"),
)
# What differs from the empty scene teaches the part head what is person.
_SILHOUETTES = (
    f"{_O}.silhouettes.type=part_synth.NovelImageSynthesis",
    *(f"{_O}.silhouettes.{loss}=None" for loss in _BUT_READING),
    f"{_O}.silhouettes.optimizers=[encoder]",
    f"{_CYCLE}=[puppet,synthesis,cycle,puppet,silhouettes]",
)
_CONSISTENCY = (
    f"{_O}.consistency.type=part_synth.ReadingConsistency",
    f"{_CYCLE}=[puppet,synthesis,cycle,puppet,consistency]",
)


@dataclass(frozen=True)
class Row:
    """One row: what it changes in CONFIG, and whether that matters to the puppets at the start.

    Attributes:
        options: ``--cfg-options`` of ``tools/train.py``.
        puppets_of: The row whose puppets at the start it continues from; None has its own.
        config: The config that takes the options.
    """

    options: tuple[str, ...]
    puppets_of: str | None = WHOLE
    config: str = CONFIG


def _from_the_start(*options: str) -> Row:
    return Row(options, puppets_of=None)


ROWS = {
    WHOLE: _from_the_start(),
    # Real frames.
    "puppets alone": Row((f"{_CYCLE}=[puppet]",)),
    "no cycle": Row((f"{_CYCLE}=[puppet,synthesis,puppet]",)),
    "no synthesis: the cycle's painter stays untrained": Row((f"{_CYCLE}=[puppet,cycle,puppet]",)),
    "cycle without parts": Row((f"{_O}.cycle.parts_loss=None",)),
    "pictures train the pose": Row(_PICTURES),
    "pictures train the pose, without agreement of parts": Row(
        (*_PICTURES, f"{_O}.synthesis.agreement=None")
    ),
    "pictures train the pose, with an adversary of poses": Row(
        (
            *_PICTURES,
            f"{_O}.synthesis.adversary.type=part_synth.UnpairedPoseAdversary",
            "optim_wrapper.encoder.modules=[encoder,puppet,objectives.synthesis.adversary]",
        )
    ),
    "with a perceptual loss": Row((f"{_O}.synthesis.perceptual.type=part_synth.PerceptualLoss",)),
    "with the appearance cycle": Row(
        (
            f"{_O}.cycle.appearance_cycle.type=part_synth.AppearanceCycleLoss",
            f"{_O}.cycle.optimizers=[encoder,synthesizer]",
        )
    ),
    "with the decoder as judge (energy)": Row(
        (f"{_O}.cycle.energy.type=part_synth.MultiScaleL1Loss",)
    ),
    "with consistency": Row(_CONSISTENCY),
    "with consistency, without its mirror": Row((*_CONSISTENCY, f"{_O}.consistency.mirror=False")),
    "with silhouettes": Row(_SILHOUETTES),
    # Puppets.
    "no puppets first": _from_the_start(f"{_PUPPETS}=[puppet,synthesis,cycle,puppet]"),
    "no puppets at all, pictures train the pose": _from_the_start(
        f"{_PUPPETS}=[synthesis,cycle]", f"{_CYCLE}=[synthesis,cycle]", *_PICTURES
    ),
    "puppets come again as they were": _from_the_start(f"{_O}.puppet.vary=None"),
    "puppets without whole garments": _from_the_start(
        f"{_O}.puppet.painter.type=part_synth.PuppetPainter"
    ),
    "slim puppet": _from_the_start("model.puppet.puppet=slim"),
    # Networks.
    "no part head": _from_the_start("model.encoder.part_head=None"),
    "no heat-map losses": _from_the_start(
        *(
            option
            for name in ("puppet", "cycle")
            for option in (
                f"{_O}.{name}.reading_loss.type=part_synth.PoseReadingLoss",
                f"{_O}.{name}.reading_loss.heat=0.0",
                f"{_O}.{name}.reading_loss.heat_maps=0.0",
            )
        )
    ),
    "no empty scene": _from_the_start(
        *_FRAME_ALONE,
        *(f"{split}_dataloader.dataset.crop.background=None" for split in ("train", "val", "test")),
    ),
    "the encoder sees the frame alone": _from_the_start(*_FRAME_ALONE),
    "the encoder sees the frame alone, puppets alone": Row(
        (*_FRAME_ALONE, f"{_CYCLE}=[puppet]"), "the encoder sees the frame alone"
    ),
    "the encoder sees the frame alone, with silhouettes": Row(
        (*_FRAME_ALONE, *_SILHOUETTES), "the encoder sees the frame alone"
    ),
    "limits as a loss": _from_the_start(
        "model.prior.hard_limits=False",
        *_PICTURES,
        f"{_O}.synthesis.articulation.type=part_synth.ArticulationLimitLoss",
    ),
    # Data.
    "128 people in the videos, as many frames": Row(
        (
            f"train_dataloader.dataset.data_root={_MORE}",
            "train_dataloader.dataset.synthetic.subjects=[128,1,1]",
            "train_dataloader.dataset.synthetic.frames_per_subject=25",
            "train_dataloader.dataset.synthetic.seed=1",
            "train_dataloader.dataset.synthetic.unpaired_poses=400000",
        )
    ),
    # The file comes with the set of the row before.
    "400,000 unpaired poses": _from_the_start(f"model.unpaired_poses={_MORE}/unpaired_poses.npz"),
    # Optimisation.
    "prior fitted by Muon": _from_the_start(
        "custom_hooks.0.optimizer.type=part_synth.Muon", "custom_hooks.0.steps=1000"
    ),
    # Other optimisers than the shared puppets have: nothing to go on from.
    "an optimiser for each loss on real frames, in turn": Row(
        (), puppets_of=None, config="configs/ablations/part_synth_alternating.py"
    ),
    "Adam instead of Muon": _from_the_start(
        "optim_wrapper.encoder.optimizer._delete_=True",
        "optim_wrapper.encoder.optimizer.type=Adam",
        "optim_wrapper.encoder.optimizer.lr=1.5e-3",
    ),
}


def work_dir(root: Path, name: str, seed: int) -> Path:
    """Folder of one run."""
    return root / f"{row_slug(name)}_seed{seed}"


def _last_shared_epoch() -> int:
    """The last epoch of puppets alone in CONFIG."""
    hooks = Config.fromfile(_ROOT / CONFIG).custom_hooks
    (schedule,) = (hook for hook in hooks if hook["type"] == "part_synth.ObjectiveScheduleHook")
    return schedule["phases"][0]["until"]


def training_command(name: str, seed: int, root: Path) -> list[str]:
    """Arguments of ``python`` that train a row; a run that was stopped goes on.

    Args:
        name: Key of ``ROWS``.
        seed: Random seed.
        root: Folder of all runs.

    Returns:
        list[str]: The arguments, ``tools/train.py`` first.

    Raises:
        ConfigError: The row goes on from a checkpoint that is not there.
    """
    row, target = ROWS[name], work_dir(root, name, seed)
    resume = "auto"
    if row.puppets_of and not any(target.glob("epoch_*.pth")):
        resume = str(work_dir(root, row.puppets_of, seed) / f"epoch_{_last_shared_epoch()}.pth")
        if not Path(resume).is_file():
            raise ConfigError(
                f"'{name}' goes on from the puppets of '{row.puppets_of}', and {resume} is not "
                f"there; run '{row.puppets_of}' with --seed {seed} first"
            )
    return [
        *("tools/train.py", row.config, "--work-dir", str(target), "--resume", resume),
        *("--cfg-options", f"randomness.seed={seed}", *row.options),
    ]


def list_rows() -> None:
    """Print the rows with what they change."""
    print(f"Rows, and what they change in {CONFIG}:")
    for name, row in ROWS.items():
        print(f"\n{name}")
        if row.puppets_of:
            print(f"    (begins with the puppets of '{row.puppets_of}')")
        if row.config != CONFIG:
            print(f"    {row.config}")
        for option in row.options:
            print(f"    {option}")


def run_row(name: str, seed: int, root: Path, folder: str, commit: str) -> None:
    """Train a row and keep its result as JSON in ``folder``."""
    command = training_command(name, seed, root)
    subprocess.run([sys.executable, *command], check=True)
    keep = ["tools/analysis/results.py", "--folder", folder, "record"]
    keep += [str(work_dir(root, name, seed)), "--name", name, "--seed", str(seed)]
    keep += ["--order", str(list(ROWS).index(name)), "--commit", commit]
    keep += ["--command", f"python tools/analysis/ablation.py run '{name}' --seed {seed}"]
    subprocess.run([sys.executable, *keep], check=True)


def main() -> None:
    """Parse the command line and run `list` or `run`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="do", required=True)
    commands.add_parser("list", help="show the rows")
    run = commands.add_parser("run", help="train rows, one after another")
    run.add_argument("rows", nargs="+", choices=ROWS, metavar="ROW", help="names as in `list`")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--work-dir", type=Path, default=Path("work_dirs/ablation"))
    run.add_argument("--folder", default="docs/results/ablation", help="folder of the JSON files")
    run.add_argument("--commit", default="", help="commit that the rows are made at")
    args = parser.parse_args()
    if args.do == "list":
        list_rows()
        return
    for name in args.rows:
        run_row(name, args.seed, args.work_dir, args.folder, args.commit)


if __name__ == "__main__":
    sys.exit(run_tool(main))
