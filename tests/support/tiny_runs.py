"""Run the tools on the tiny project, inside the test's process."""

import importlib.util
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from part_synth.apis.cli import run_tool

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]
TINY_CONFIG = SUPPORT / "tiny_config.py"
_runs = itertools.count()


def load_script(path):
    """Module of a script, whose path is relative to the repository or whole, loaded afresh."""
    path = ROOT / path
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def tool_main(name):
    """The main() of tools/NAME.py."""
    return load_script(f"tools/{name}.py").main


def run(name, *arguments, monkeypatch, options=()):
    """Exit status of tools/NAME.py with these arguments and --cfg-options."""
    # mmengine keeps loggers by experiment name, which counts seconds only.
    options = [*options, f"experiment_name=run_{next(_runs)}"]
    argv = [f"{name}.py", *map(str, arguments), "--cfg-options", *options]
    monkeypatch.setattr(sys, "argv", argv)
    return run_tool(tool_main(name))


def launch(folder, script, *arguments):
    """Run tools/SCRIPT (dist_train.sh, dist_test.sh) in a folder, without a GPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(SUPPORT),
        "PORT": str(port),
        "OMP_NUM_THREADS": "1",
        # Also where there are GPUs: two processes on the CPU.
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [shutil.which("bash"), str(ROOT / "tools" / script), *map(str, arguments)]
    # mmengine gathers results in a folder below the current one.
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240
    )


def losses(work_dir, rank=0):
    """[(epoch, iteration, loss in hexadecimal, bfloat16)] of a run."""
    lines = (Path(work_dir) / f"losses.{rank}.txt").read_text().splitlines()
    return [tuple(line.split()) for line in lines]


def logged_losses(work):
    """{(epoch, iteration): {name: loss}} over all runs of a work directory."""
    found = {}
    for log in sorted(Path(work).glob("*/vis_data/scalars.json")):
        for line in log.read_text().splitlines():
            record = json.loads(line)
            if "epoch" in record:
                named = {key: value for key, value in record.items() if "loss" in key}
                found[record["epoch"], record["step"]] = named
    return found


def tiny_config(**changes):
    """The tiny config with dotted changes."""
    cfg = Config.fromfile(TINY_CONFIG)
    cfg.merge_from_dict(changes)
    return cfg


def save_model_checkpoint(path, model):
    """A checkpoint that holds the weights of a model and nothing else."""
    torch.save({"meta": {}, "state_dict": model.state_dict(), "message_hub": {}}, path)
    return path
