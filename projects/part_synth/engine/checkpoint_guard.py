"""Checks of a checkpoint before it is trusted: the file, the newest one, and whose weights."""

import ast
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import CheckpointLoader, Runner
from torch import nn

from part_synth.models.shipped_weights import SCHEME
from part_synth.registry import HOOKS

from .unwrap import unwrap

# First byte of a pickle of protocol 2 or later: checkpoints older than torch 1.6.
_PICKLE_MARK = b"\x80"
_STEP = re.compile(r"^(?:epoch|iter)_(\d+)\.pth$")
# Parameters that no prediction reads: published weights come without objectives, and losses and
# their critics (of people: `identity`) may be of another run.
_TRAINING_ONLY = re.compile(
    r"(?:objectives?|consensus|articulation|identity)\.|(?:.*\.)?\w*loss\w*\."
)


def check_checkpoint_file(path: str | Path) -> None:
    """Raise if ``path`` can't be a whole checkpoint. Cheap: only the file's frame is read.

    Torch writes checkpoints as zip archives, whose table of contents comes last: a file cut short
    has none.

    Args:
        path (str or Path): A local file. Addresses (``scheme://...``) are not looked at.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty, cut short, or of another kind.
    """
    if "://" in str(path):
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(
            f"Checkpoint {path} does not exist. Give a .pth file, for example one that training "
            "wrote to its work directory."
        )
    if not zipfile.is_zipfile(file):
        with file.open("rb") as handle:
            first = handle.read(1)
        if first != _PICKLE_MARK:
            raise ValueError(
                f"Checkpoint {path} ({file.stat().st_size} bytes) can't be read: it is cut short "
                "or not a torch checkpoint. Copy it again, or use an earlier one."
            )


def check_resumable(path: str | Path) -> None:
    """Raise if ``path`` holds weights only: mmengine would restart optimisers and learning rate.

    Args:
        path (str or Path): A whole checkpoint; addresses, but for those of the package's own
            models, and checkpoints older than torch 1.6 are not looked at.

    Raises:
        ValueError: It has no state of the optimisers.
    """
    checkpoint = _read_local(path)
    shipped = str(path).startswith(SCHEME)
    if shipped or (checkpoint is not None and "optimizer" not in checkpoint):
        raise ValueError(
            f"Checkpoint {path} holds weights only, as best_*.pth do: training can't be resumed "
            "from it. Resume from an epoch_N.pth of the run, or start a new run from the weights "
            "with --cfg-options load_from=FILE."
        )


def check_unfinished(path: str | Path, train_cfg: Mapping[str, Any], work_dir: str | Path) -> None:
    """Raise if a run that resumes from ``path`` would train nothing and report its weights.

    A finished run may be resumed in its own folder: that writes its results again.

    Args:
        path (str or Path): A whole checkpoint, looked at as in :func:`check_resumable`.
        train_cfg (Mapping): The config's, with ``max_epochs`` or ``max_iters``.
        work_dir (str or Path): Where the run writes.

    Raises:
        ValueError: It comes from another folder and has no step left.
    """
    checkpoint = _read_local(path)
    if checkpoint is None or Path(path).resolve().parent == Path(work_dir).resolve():
        return
    for unit in ("epoch", "iter"):
        done, planned = checkpoint.get("meta", {}).get(unit), train_cfg.get(f"max_{unit}s")
        if isinstance(done, int) and isinstance(planned, int) and done >= planned:
            raise ValueError(
                f"Checkpoint {path} of another folder has {done} {unit}s behind it, and the config "
                f"ends after {planned}: there is nothing to train, and {work_dir} would report "
                "that run's weights as its own. Resume from an earlier checkpoint, or start a new "
                "run from these weights with --cfg-options load_from=FILE."
            )


def _read_local(path: str | Path) -> dict[str, Any] | None:
    """Content of a checkpoint, left on disk; None for addresses and files before torch 1.6."""
    if "://" in str(path) or not zipfile.is_zipfile(path):
        return None
    checkpoint = torch.load(path, map_location="cpu", mmap=True, weights_only=False)
    return checkpoint if isinstance(checkpoint, dict) else {}


def find_resumable_checkpoint(work_dir: str | Path) -> Path | None:
    """The newest whole checkpoint of a work directory.

    The file of that folder that ``last_checkpoint`` names comes first, also where the directory was
    moved since; then ``epoch_*.pth`` and ``iter_*.pth``, newest first; then where it says that the
    file lay.

    Args:
        work_dir (str or Path): Work directory of a run.

    Returns:
        Path or None: The checkpoint, or None when there is none to resume from.
    """
    folder = Path(work_dir)
    candidates: list[Path] = []
    elsewhere: list[Path] = []
    pointer = folder / "last_checkpoint"
    if pointer.is_file() and (named := pointer.read_text().strip()):
        candidates.append(folder / Path(named).name)
        elsewhere.append(Path(named))
    steps = [(int(m[1]), p) for p in folder.glob("*.pth") if (m := _STEP.match(p.name))]
    candidates += [path for _, path in sorted(steps, reverse=True)] + elsewhere
    return next((path for path in candidates if _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    try:
        check_checkpoint_file(path)
    except (FileNotFoundError, ValueError):
        return False
    return True


@HOOKS.register_module()
class CheckpointGuardHook(Hook):
    """Refuse weights of another model; mmengine only logs a warning and goes on untrained.

    A parameter that the checkpoint has in another shape is always refused: it would keep its random
    values. Weights that were trained with crops of another size are taken with a warning.

    Args:
        min_matched (float): Least share of the model's parameter tensors, in [0, 1], that the
            checkpoint must hold by name and shape. Default: 0.5, so that a checkpoint with a part
            left out still loads.
        prediction_only (bool): Count only the parameters that prediction needs: those outside of
            objectives and losses.
    """

    # Before EMAHook, which copies the weights.
    priority = "HIGH"

    def __init__(self, min_matched: float = 0.5, prediction_only: bool = False) -> None:
        if not 0.0 <= min_matched <= 1.0:
            raise ValueError(f"min_matched must be in [0, 1], got {min_matched}.")
        self.min_matched = min_matched
        self.prediction_only = prediction_only
        self._warned = False

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare names and shapes before the weights are copied.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): What the file holds: weights, or a dict with ``state_dict``. Mere
                weights, as published ones are, become such a dict, the only form that mmengine's
                ``EMAHook`` reads.

        Raises:
            ValueError: Too few parameters match, or one has another shape.
        """
        check_weights(unwrap(runner.model), checkpoint, self.min_matched, self.prediction_only)
        trained, here = trained_crop_size(checkpoint), _crop_size(runner.cfg)
        if not self._warned and None not in (trained, here) and trained != here:
            self._warned = True
            runner.logger.warning(
                f"The checkpoint was trained with crops of {trained} pixels, this config has "
                f"{here}: expect larger errors. Use the config that it was trained with, or set "
                f"{{train,val,test}}_dataloader.dataset.crop.size={trained}."
            )
        if "state_dict" not in checkpoint:
            weights = dict(checkpoint)
            checkpoint.clear()
            checkpoint["state_dict"] = weights


def trained_crop_size(checkpoint: dict) -> int | None:
    """Side (px) of the crops that the config in a checkpoint validates with.

    Args:
        checkpoint (dict): What the file holds; mmengine keeps the text of the config in ``meta``.

    Returns:
        int or None: The size, or None where the checkpoint or its config doesn't say.
    """
    text = checkpoint.get("meta", {}).get("cfg") if isinstance(checkpoint, dict) else None
    if not isinstance(text, str):
        return None
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return None
    # Read, not run: a checkpoint of somebody else must not be able to do anything here.
    assigned = [s for s in statements if isinstance(s, ast.Assign)]
    return _crop_size({ast.unparse(s.targets[0]): _plain(s.value) for s in assigned})


def _plain(node: ast.expr) -> object:
    """A constant, or a dict written as ``dict(key=...)`` of such; None for anything else."""
    if isinstance(node, ast.Call):
        return {keyword.arg: _plain(keyword.value) for keyword in node.keywords}
    return node.value if isinstance(node, ast.Constant) else None


def _crop_size(cfg: Config | dict) -> int | None:
    """Side (px) of the crops of a config's validation or, without one, test; None: none there."""
    for split in ("val", "test"):
        node = cfg
        for key in (f"{split}_dataloader", "dataset", "crop", "size"):
            node = node.get(key) if isinstance(node, dict | Config) else None
        if isinstance(node, int):
            return node
    return None


def check_weights(
    model: nn.Module, checkpoint: dict, min_matched: float, prediction_only: bool = False
) -> None:
    """Raise if a checkpoint is of another model.

    Args:
        model (nn.Module): The model that is to take the weights.
        checkpoint (dict): What the file holds: weights, or a dict with ``state_dict``.
        min_matched (float): See :class:`CheckpointGuardHook`.
        prediction_only (bool): See :class:`CheckpointGuardHook`.

    Raises:
        ValueError: Too few parameters match, or one has another shape.
    """
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else {}
    shapes = {
        name.removeprefix("module."): tuple(value.shape)
        for name, value in state.items()
        if hasattr(value, "shape")
    }
    wanted = {
        name: tuple(value.shape)
        for name, value in model.named_parameters()
        if not (prediction_only and _TRAINING_ONLY.match(name))
    }
    missing = [name for name, shape in wanted.items() if shapes.get(name) != shape]
    misfits = any(name in shapes for name in missing)
    if misfits or len(wanted) - len(missing) < min_matched * len(wanted):
        raise ValueError(
            f"The checkpoint is of another model: {len(missing)} of the {len(wanted)} "
            f"parameters of {type(model).__name__} "
            f"{'that prediction needs ' if prediction_only else ''}are missing in it or have "
            f"another shape ({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}). Use "
            "the config it was trained with."
        )


def check_before_data(runner: Runner) -> None:
    """Look at the checkpoint that a runner is going to load, before it builds its data sets.

    The runner itself loads it afterwards, and a data set may take minutes to read or to make.

    Args:
        runner (Runner): Just built. Nothing is looked at if it has no
            :class:`CheckpointGuardHook` or loads nothing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The checkpoint is of another model.
    """
    path = runner._load_from
    guards = [hook for hook in runner.hooks if isinstance(hook, CheckpointGuardHook)]
    if not path or not guards:
        return
    # Runner.load_checkpoint reads it in the same way: what it can't read is refused here too.
    checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location="cpu", logger="silent")
    for guard in guards:
        guard.after_load_checkpoint(runner, checkpoint)
