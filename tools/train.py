"""Train a model: ``python tools/train.py CONFIG [--work-dir DIR] [--resume auto] ...``."""

import sys

import torch
from mmengine.runner import Runner
from part_synth.apis.cli import run_tool, train_parser
from part_synth.apis.config import train_config
from part_synth.apis.distributed import prepare_distributed
from part_synth.apis.memory import keep_freed_memory
from part_synth.engine.checkpoint_guard import check_before_data


def main() -> None:
    """Read the command line, build the runner, train."""
    cfg = train_config(train_parser().parse_args())
    prepare_distributed(cfg)
    keep_freed_memory()
    # Soft part maps are full of numbers next to nothing, each of which costs a processor a hundred
    # ordinary ones: a third of the time of the maps.
    torch.set_flush_denormal(True)
    runner = Runner.from_cfg(cfg)
    check_before_data(runner)
    runner.train()


if __name__ == "__main__":
    sys.exit(run_tool(main))
