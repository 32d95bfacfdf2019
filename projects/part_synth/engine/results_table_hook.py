"""The table at the end of training: the best checkpoint beside what it has to beat."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import barrier, master_only
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import Runner, find_latest_checkpoint
from rich.console import Console

from part_synth.evaluation.results_table import (
    find_metric,
    markdown_table,
    result_rows,
    rich_table,
)
from part_synth.registry import HOOKS

UNTRAINED_FILE = "untrained_metrics.json"
# A terminal tells its width; a pipe or a log file has none, and the table must not be cut there.
_PIPE_WIDTH = 140


@HOOKS.register_module()
class ResultsTableHook(Hook):
    """Test the network before and after training and print both beside the baselines.

    Before training, the untrained network goes through the test loop once. At the end of the run
    the best checkpoint that ``CheckpointHook`` kept (the last one where none was the best, the
    current weights where none was saved) is loaded and tested; the model keeps its weights. The
    table is printed, and written to ``<work_dir>/results.md``; ``<work_dir>/results.json`` holds
    all metrics as one flat object, those of the untrained network as ``untrained/<key>``.

    The untrained network's metrics are kept in ``<work_dir>/untrained_metrics.json``, so that a
    resumed run has them too. Testing draws no random number of the training: with and without
    this hook a run trains the same.

    The high priority makes the first test run before hooks that train something ahead of the
    training proper; the last one is run in ``after_run``, when all other hooks are done.

    Args:
        untrained: Whether to test the untrained network.
        name: What to call the model in the table; None = 'this model', and in brackets which of
            its weights were tested.
        compare: Further rows from other runs' ``results.json``: dicts with ``name``, ``path`` and
            an optional ``hint`` that says how to make a file that is not there yet.

    Raises:
        ValueError: An entry of ``compare`` has no name or path.
    """

    priority = "HIGH"

    def __init__(
        self,
        untrained: bool = True,
        name: str | None = None,
        compare: Sequence[Mapping[str, str]] = (),
    ) -> None:
        for entry in compare:
            if not isinstance(entry, Mapping) or not {"name", "path"} <= set(entry):
                raise ValueError(
                    "Each entry of compare must be a dict(name=..., path='.../results.json'), got "
                    f"{entry!r}."
                )
        self.untrained = untrained
        self.name = name
        self.compare = tuple(dict(entry) for entry in compare)
        self._untrained_metrics: dict[str, float] = {}
        self._trained = False

    def before_train(self, runner: Runner) -> None:
        """Test the untrained network, or read its metrics when the run was resumed.

        Args:
            runner: The runner.

        Raises:
            ValueError: The config has no test loop.
        """
        self._trained = False
        # A run without a test loop should hear of it now and not when it has been trained.
        if runner.test_loop is None:
            raise ValueError(
                "ResultsTableHook tests the model and needs test_dataloader, test_cfg and "
                "test_evaluator in the config. Add them, or remove the hook."
            )
        if not self.untrained:
            return
        path = Path(runner.work_dir, UNTRAINED_FILE)
        if runner.iter > 0:
            self._untrained_metrics = _read_metrics(path) if path.is_file() else {}
            return
        runner.logger.info("Testing the untrained network, to compare with it at the end.")
        _copy_to_averaged(runner)
        with _undisturbed(runner):
            self._untrained_metrics = runner.test_loop.run()
        _write_json(path, self._untrained_metrics)

    def after_train(self, runner: Runner) -> None:
        """Remember that training came to its end."""
        self._trained = True

    def after_run(self, runner: Runner) -> None:
        """Test the best checkpoint, print the table, write the results.

        Args:
            runner: The runner.
        """
        if not self._trained:
            return
        self._trained = False
        # The main process may still be writing the checkpoint that all are about to read.
        barrier()
        checkpoint, kind = reported_checkpoint(runner)
        if checkpoint is not None:
            runner.load_checkpoint(str(checkpoint), map_location="cpu")
        with _undisturbed(runner):
            metrics = runner.test_loop.run()
        self._report(runner, metrics, checkpoint, self.name or f"this model ({kind})")

    @master_only
    def _report(
        self, runner: Runner, metrics: Mapping[str, float], checkpoint: Path | None, name: str
    ) -> None:
        # A resumed run loads a checkpoint too, yet it began with untrained weights.
        fine_tuned = runner.cfg.get("load_from") is not None and not runner.cfg.get("resume")
        loaded = fine_tuned or _loads_weights(runner.cfg.get("model"))
        before = "before training" if loaded else "untrained network"
        rows = result_rows(metrics, name, self._untrained_metrics, self._compared(runner), before)
        tested = checkpoint.name if checkpoint else "the weights after the last iteration"
        caption = f"test set, {tested}"
        gt_spread = find_metric(metrics, "gt_spread_mm")
        if gt_spread is not None:
            caption += f"; spread of the true poses {gt_spread:.1f} mm"
        console = Console()
        if not console.is_terminal:
            console = Console(width=_PIPE_WIDTH)
        console.print(rich_table(rows, f"Results of {runner.experiment_name}", caption))

        results = dict(metrics)
        results.update({f"untrained/{k}": v for k, v in self._untrained_metrics.items()})
        _write_json(Path(runner.work_dir, "results.json"), results)
        page = f"{markdown_table(rows)}\n\n{caption[0].upper()}{caption[1:]}.\n"
        Path(runner.work_dir, "results.md").write_text(page)
        runner.logger.info(f"Results written to {Path(runner.work_dir, 'results.json')}")

    def _compared(self, runner: Runner) -> list[tuple[str, dict[str, float]]]:
        rows = []
        for entry in self.compare:
            path = Path(entry["path"])
            if path.is_file():
                rows.append((entry["name"], _read_metrics(path)))
            else:
                hint = entry.get("hint", "train it to have it in the table")
                runner.logger.info(f"No results of '{entry['name']}' at {path}: {hint}.")
        return rows


def _loads_weights(config: object) -> bool:
    """Whether a part of a model's config starts from a checkpoint."""
    if isinstance(config, Mapping):
        return config.get("type") == "Pretrained" or any(map(_loads_weights, config.values()))
    return isinstance(config, list | tuple) and any(map(_loads_weights, config))


def reported_checkpoint(runner: Runner) -> tuple[Path | None, str]:
    """The checkpoint to report of a run.

    Args:
        runner: A runner that has trained.

    Returns:
        The best one by the (first) metric that ``CheckpointHook`` watches; the last one where
        there is no best one (nothing was validated); None where nothing was saved. And which of
        the three it is, in words.
    """
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook):
            continue
        several = getattr(hook, "best_ckpt_path_dict", {})
        for path in (getattr(hook, "best_ckpt_path", None), *several.values()):
            # A resumed run may have been moved: its record then names the old folder.
            for candidate in (path, path and Path(hook.out_dir, Path(path).name)):
                if candidate and Path(candidate).is_file():
                    return Path(candidate), "best on validation"
        latest = hook.last_ckpt or find_latest_checkpoint(hook.out_dir)
        if latest and Path(latest).is_file():
            return Path(latest), "last checkpoint"
    return None, "last weights"


def _copy_to_averaged(runner: Runner) -> None:
    """Give averaged weights (EMA) the model's initial ones.

    ``EMAHook`` copies the model before its weights are initialised and corrects that at the first
    iteration only; a test before it would see weights that no training starts from.
    """
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            hook.ema_model.module.load_state_dict(hook.src_model.state_dict())


@contextmanager
def _undisturbed(runner: Runner) -> Iterator[None]:
    """Restore the random states and the model's mode after a test inside of training."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    # Of this process's device only: asking the others would open a context on each.
    cuda_state = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    training = runner.model.training
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda_state is not None:
            torch.cuda.set_rng_state(cuda_state)
        runner.model.train(training)


@master_only
def _write_json(path: Path, metrics: Mapping[str, float]) -> None:
    """Write metrics as one flat object; values that JSON has no word for become null."""
    clean = {key: _json_value(value) for key, value in metrics.items()}
    partial = path.with_suffix(".json.part")
    partial.write_text(json.dumps(clean, indent=1) + "\n")
    partial.replace(path)


def _json_value(value: object) -> object:
    if isinstance(value, (torch.Tensor, np.generic)):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_metrics(path: Path) -> dict[str, float]:
    try:
        metrics = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file of metrics: delete or remake it.") from error
    if not isinstance(metrics, dict):
        raise ValueError(f"{path} must hold one flat JSON object of metrics.")
    return {key: value for key, value in metrics.items() if isinstance(value, (int, float))}
