"""From the command line of a tool to the config of a run, shared by training and testing."""

import difflib
import inspect
import logging
import os
import sys
from argparse import Namespace
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from part_synth.engine.checkpoint_guard import (
    check_checkpoint_file,
    check_resumable,
    check_unfinished,
    find_resumable_checkpoint,
)
from part_synth.outputs.folders import check_out_dir

from .config_checks import check_sections
from .config_options import merge_options
from .errors import ConfigError

# Keys of a config that the runner reads besides its arguments.
_RUNNER_EXTRAS = {
    "activation_checkpointing",
    "compile",
    "efficient_conv_bn_eval",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "preprocess_cfg",
    "sync_bn",
}
_METRIC_FILES = (".json", ".yaml", ".yml", ".pkl")
_AMP_TYPES = ("OptimWrapper", "AmpOptimWrapper", "part_synth.AutocastOptimWrapper")


def load_config(path: str, cfg_options: dict | None = None) -> Config:
    """Read a config file and merge the options of the command line into it.

    Args:
        path (str): A ``.py``, ``.json`` or ``.yaml`` file.
        cfg_options (dict, optional): Dotted key -> value, as ``--cfg-options`` gives them.

    Returns:
        Config: The merged config.

    Raises:
        FileNotFoundError: There is no such file.
        ConfigError: The file can't be parsed, or a key is misspelt.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"Config {path} does not exist. Give the path of a file under configs/."
        )
    try:
        cfg = Config.fromfile(path)
        _check_names(cfg.keys(), set(cfg), f"Config {path}", strict=False)
        if cfg_options:
            tops = {key.split(".")[0] for key in cfg_options}
            _check_names(tops, set(cfg), "--cfg-options", strict=True)
            merge_options(cfg, cfg_options, _runner_keys())
        check_sections(cfg)
    except (FileNotFoundError, ConfigError):
        raise
    # The config is a program of the user: whatever it raises is about the config.
    except Exception as error:
        raise ConfigError(
            f"Config {path} can't be read: {type(error).__name__}: {error}"
        ) from error
    return cfg


def train_config(args: Namespace) -> Config:
    """Config of a training run.

    Args:
        args (Namespace): What :func:`part_synth.apis.cli.train_parser` parsed.

    Returns:
        Config: Ready for ``Runner.from_cfg``.
    """
    cfg = load_config(args.config, args.cfg_options)
    _set_run(cfg, args)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        apply_amp(cfg)
    if args.resume is not None:
        _set_resume(cfg, args.resume)
    if args.auto_scale_lr:
        if "auto_scale_lr" not in cfg:
            raise ConfigError(
                "--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=N) in the config."
            )
        cfg.auto_scale_lr.enable = True
    if args.show or args.show_dir is not None:
        _set_visualization(cfg, args, show=args.show)
    if cfg.get("load_from"):
        # A resumed run must find all of its own weights; a fine-tuned one may take a part.
        add_checkpoint_guard(cfg, min_matched=1.0 if cfg.get("resume") else 1e-6)
    if "preprocess_cfg" in cfg:
        cfg.model.setdefault("data_preprocessor", cfg.preprocess_cfg)
    return cfg


def test_config(args: Namespace) -> Config:
    """Config of a test run.

    Args:
        args (Namespace): What :func:`part_synth.apis.cli.test_parser` parsed.

    Returns:
        Config: Ready for ``Runner.from_cfg``.
    """
    cfg = load_config(args.config, args.cfg_options)
    _set_run(cfg, args)
    check_checkpoint_file(args.checkpoint)
    if args.out is not None and Path(args.out).suffix not in _METRIC_FILES:
        raise ConfigError(
            f"--out writes the metrics to a file that ends in {', '.join(_METRIC_FILES)}, not "
            f"{args.out!r}."
        )
    if args.out is not None:
        check_out_dir(Path(args.out).absolute().parent)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    # Half a network gives a table of metrics too.
    add_checkpoint_guard(cfg, min_matched=1.0, prediction_only=True)
    if (args.show and not args.badcase) or args.show_dir is not None:
        _set_visualization(cfg, args, show=args.show and not args.badcase)
    if args.badcase:
        _set_badcase(cfg, args)
    if args.dump is not None:
        _set_dump(cfg, args.dump)
    if "preprocess_cfg" in cfg:
        cfg.model.setdefault("data_preprocessor", cfg.preprocess_cfg)
    return cfg


# Not a test, whatever its name says to pytest when a test module imports it.
test_config.__test__ = False


def apply_amp(cfg: Config) -> None:
    """Switch ``cfg.optim_wrapper`` to mixed precision, each of several optimisers by itself.

    One optimiser on CUDA gets mmengine's ``AmpOptimWrapper``, with its gradient scaler. Several
    optimisers, and any without CUDA, get ``part_synth.AutocastOptimWrapper``: one backward pass
    that feeds several optimisers can't serve several scalers, and bfloat16 needs none.

    Args:
        cfg (Config): Changed in place.

    Raises:
        ConfigError: There is no ``optim_wrapper``, or it names a wrapper of another kind.
    """
    outer = cfg.get("optim_wrapper")
    if not outer:
        raise ConfigError("--amp needs an optim_wrapper in the config.")
    several = "optimizer" not in outer
    entries = {k: v for k, v in outer.items() if isinstance(v, dict) and "optimizer" in v}
    wrappers = entries if several else {"optim_wrapper": outer}
    for name, wrapper in wrappers.items():
        kind = wrapper.get("type", outer.get("type", "OptimWrapper"))
        kind = kind if isinstance(kind, str) else kind.__name__
        if kind not in _AMP_TYPES:
            raise ConfigError(
                f"--amp can't change {name}, whose type is {kind!r}; it knows "
                f"{', '.join(_AMP_TYPES)}. Leave --amp out, or set the type in the config."
            )
        if torch.cuda.is_available() and not several:
            wrapper.type = "AmpOptimWrapper"
            wrapper.setdefault("loss_scale", "dynamic")
        else:
            wrapper.type = "part_synth.AutocastOptimWrapper"
            wrapper.pop("loss_scale", None)
    if several:
        for shared in ("type", "loss_scale"):
            outer.pop(shared, None)


def _runner_keys() -> set[str]:
    """Top-level names of a config that the runner reads."""
    return (set(inspect.signature(Runner.__init__).parameters) | _RUNNER_EXTRAS) - {"self", "cfg"}


def _check_names(names, present: set, where: str, strict: bool) -> None:
    """Raise where a top-level name is unknown; without ``strict`` only where it looks misspelt."""
    known = _runner_keys()
    for name in names:
        choices = known | present if strict else known - present
        if name in known or (strict and name in present):
            continue
        close = difflib.get_close_matches(name, choices, n=1, cutoff=0.6 if strict else 0.85)
        if close or strict:
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"{where} has the unknown key {name!r}.{hint}")


def _set_run(cfg: Config, args: Namespace) -> None:
    """Launcher and work directory: command line, then config, then the config's name."""
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(args.config).stem)
    folder = Path(cfg.work_dir)
    file = next((path for path in (folder, *folder.parents) if path.is_file()), None)
    if file is not None:
        raise ConfigError(
            f"The work directory {folder} can't be made: {file} is a file. Name a folder with "
            "--work-dir."
        )


def _set_resume(cfg: Config, resume: str) -> None:
    """Resume from a file, or with 'auto' from the newest whole checkpoint if there is one."""
    found = None
    if resume == "auto":
        found = find_resumable_checkpoint(cfg.work_dir)
        if found is None:
            print_log(
                f"--resume: no checkpoint in {cfg.work_dir}, training starts from the beginning",
                logger="current",
                level=logging.WARNING,
            )
            return
        resume = str(found)
    check_checkpoint_file(resume)
    check_resumable(resume)
    if not found:
        check_unfinished(resume, cfg.get("train_cfg") or {}, cfg.work_dir)
    cfg.resume = True
    cfg.load_from = resume


def _check_display(args: Namespace) -> None:
    """OpenCV's window toolkit ends the process where there is no display."""
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if args.show and sys.platform == "linux" and not has_display:
        raise ConfigError(
            "--show needs a display and this machine has none; use --show-dir DIR to write the "
            "pictures instead."
        )


def _set_visualization(cfg: Config, args: Namespace, show: bool) -> None:
    _check_display(args)
    hook = cfg.get("default_hooks", {}).get("visualization")
    if hook is None:
        raise ConfigError(
            "--show and --show-dir need a hook that draws: inherit from "
            "configs/_base_/default_runtime.py or set default_hooks.visualization in the config."
        )
    hook.enable = True
    hook.show = show
    if args.show:
        hook.wait_time = args.wait_time
    hook.out_dir = args.show_dir
    hook.interval = args.interval


def _set_badcase(cfg: Config, args: Namespace) -> None:
    _check_display(args)
    hook = cfg.get("default_hooks", {}).get("badcase")
    if hook is None:
        raise ConfigError(
            "--badcase needs a hook that collects bad cases: inherit from "
            "configs/_base_/default_runtime.py or set default_hooks.badcase in the config."
        )
    hook.enable = True
    hook.show = args.show
    if args.show:
        hook.wait_time = args.wait_time
    hook.interval = args.interval


def _set_dump(cfg: Config, path: str) -> None:
    if not path.endswith((".pkl", ".pickle")):
        raise ConfigError(f"--dump writes a pickle: give a name that ends in .pkl, not {path!r}.")
    evaluators = cfg.test_evaluator
    evaluators = evaluators if isinstance(evaluators, list | tuple) else [evaluators]
    cfg.test_evaluator = [*evaluators, {"type": "DumpResults", "out_file_path": path}]


def add_checkpoint_guard(cfg: Config, **options) -> None:
    """Add the checkpoint guard, unless the config sets its own.

    Args:
        cfg: The config; changed in place.
        **options: Of :class:`~part_synth.engine.CheckpointGuardHook`.
    """
    hooks = list(cfg.get("custom_hooks") or [])
    if not any(hook.get("type") == "part_synth.CheckpointGuardHook" for hook in hooks):
        hooks.append({"type": "part_synth.CheckpointGuardHook", **options})
    cfg.custom_hooks = hooks


__all__ = ["apply_amp", "load_config", "test_config", "train_config"]
