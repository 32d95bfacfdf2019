"""Command lines of tools/train.py and tools/test.py, and how a tool ends."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import mmengine
from mmengine.config import DictAction
from mmengine.dist import is_main_process

from .distributed import close_distributed
from .errors import ConfigError, explain, log_traceback

USER_ERROR = 2
INTERRUPTED = 130


class CfgOptionsAction(DictAction):
    """mmengine's KEY=VALUE pairs; what can't be read ends in a usage error, not in a traceback."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Parse ``values``; see :class:`argparse.Action`."""
        for pair in values:
            try:
                # mmengine splits {...} at its commas, calls itself without end on dict(...), and
                # asserts balanced brackets.
                if "{" in pair:
                    raise ValueError
                super().__call__(parser, namespace, [pair], option_string)
            except (RecursionError, AssertionError, ValueError):
                parser.error(
                    f"argument {option_string}: can't read {pair!r}; write KEY=VALUE, lists as "
                    'KEY="[a,b]", without blanks. Dicts need a config of your own that begins with '
                    "_base_ = ['THIS_CONFIG.py']"
                )


def train_parser() -> argparse.ArgumentParser:
    """The flags of mmpose's ``tools/train.py``.

    Returns:
        argparse.ArgumentParser: The parser.
    """
    parser = argparse.ArgumentParser(description="Train a model.")
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        help="continue from this checkpoint; without a value or with 'auto' from the newest whole "
        "one in the work directory, or from the start if there is none",
    )
    parser.add_argument("--amp", action="store_true", help="train in mixed precision")
    parser.add_argument(
        "--no-validate", action="store_true", help="do not validate during training"
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate by the actual over the config's base batch size",
    )
    _add_shared(parser)
    return parser


def test_parser() -> argparse.ArgumentParser:
    """The flags of mmpose's ``tools/test.py``.

    Returns:
        argparse.ArgumentParser: The parser.
    """
    parser = argparse.ArgumentParser(description="Test (and evaluate) a model.")
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument(
        "--out", help="write the metrics to this file; .json: one flat object, name to number"
    )
    parser.add_argument("--dump", help="write all predictions to this pickle file (.pkl)")
    parser.add_argument(
        "--badcase", action="store_true", help="collect the samples with the largest errors"
    )
    _add_shared(parser)
    return parser


# Not a test, whatever its name says to pytest when a test module imports it.
test_parser.__test__ = False


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--work-dir",
        help="folder of logs and checkpoints (default: the config's work_dir, else "
        "work_dirs/NAME_OF_THE_CONFIG)",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=CfgOptionsAction,
        metavar="KEY=VALUE",
        help="override settings of the config, dots between levels: model.encoder.depth=18; lists "
        'as key="[a,b]" or key=a,b, nested ones as key="[(a,b),(c,d)]", without blanks',
    )
    parser.add_argument("--show-dir", help="write pictures of the predictions to this folder")
    parser.add_argument("--show", action="store_true", help="show the pictures in a window")
    parser.add_argument(
        "--interval", type=int, default=1, help="draw every INTERVAL-th sample (default: 1)"
    )
    parser.add_argument(
        "--wait-time", type=float, default=1, help="seconds each window stays (default: 1)"
    )
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="what started the processes of a distributed run",
    )
    # torch.distributed.launch hands this to every process, in either spelling.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)


def run_tool(
    main: Callable[[], None],
    after_interrupt: str = "--resume auto continues from the last checkpoint, if there is one.",
) -> int:
    """Run a tool; turn a user's mistake into a sentence or two on stderr.

    The traceback always goes to the run's log file. An error of the program is raised again;
    ``PART_SYNTH_DEBUG=1`` raises every error again.

    Args:
        main (Callable): The tool, without arguments.
        after_interrupt (str): What to tell after Ctrl-C.

    Returns:
        int: The exit status: 0, 2 after a user's mistake, 130 after Ctrl-C.
    """
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write(f"Interrupted. {after_interrupt}\n")
        return INTERRUPTED
    except Exception as error:
        log_file = log_traceback()
        message = explain(error)
        if message is None or os.environ.get("PART_SYNTH_DEBUG", "0") not in ("", "0"):
            raise
        where = f"Traceback: {log_file}" if log_file else "Traceback: set PART_SYNTH_DEBUG=1"
        sys.stderr.write(f"error: {message}\n({where})\n")
        return USER_ERROR
    close_distributed()
    return 0


def check_out_file(path: str, endings: Sequence[str], inputs: Sequence[str | None] = ()) -> None:
    """Raise if ``--out`` can't be written, before work is done that would be lost.

    Args:
        path (str): What ``--out`` gave.
        endings (Sequence[str]): Endings that the tool can write, such as ``.json``.
        inputs (Sequence[str | None]): What the tool reads; None is not given.

    Raises:
        ConfigError: It ends otherwise, is a folder, lies below a file, is one of the inputs, or a
            file of a folder that is one.
    """
    if Path(path).suffix.lower() not in endings:
        raise ConfigError(f"--out must end with {' or '.join(endings)}, got {path}.")
    if Path(path).is_dir() or any(parent.is_file() for parent in Path(path).parents):
        raise ConfigError(f"--out {path} can't be written: it is a folder, or below a file.")
    target = Path(path).expanduser()
    read = [Path(given).expanduser() for given in inputs if given is not None]
    if target.exists() and any(file.exists() and file.samefile(target) for file in read):
        raise ConfigError(f"--out {path} is a file that is read; name another file for the result.")
    if target.exists() and any(file.is_dir() and file.samefile(target.parent) for file in read):
        raise ConfigError(
            f"--out {path} is a file of a folder that is read; name another file for the result."
        )


def write_metrics(metrics: dict, path: str) -> None:
    """Write metrics from the main process; a ``.json`` file gets one flat object.

    Args:
        metrics (dict): Name -> number, as ``Runner.test`` returns them.
        path (str): ``.json``, or another ending that ``mmengine.dump`` knows (.yaml, .pkl).
            A number that is not finite becomes null in JSON, which has no NaN.
    """
    if not is_main_process():
        return
    values = {name: float(value) for name, value in metrics.items() if _is_number(value)}
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix != ".json":
        mmengine.dump(values, str(target))
        return
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    target.write_text(json.dumps(finite, indent=2) + "\n")


def _is_number(value) -> bool:
    """Whether a value is one number (not a list of predictions that a metric hands on)."""
    if isinstance(value, str | Sequence | dict):
        return False
    return getattr(value, "size", 1) == 1 or getattr(value, "ndim", 0) == 0
