"""Train a model: ``python tools/train.py CONFIG [--work-dir DIR] [--resume auto] ...``."""

import sys

from mmengine.runner import Runner
from part_synth.apis.cli import run_tool, train_parser
from part_synth.apis.config import train_config
from part_synth.apis.distributed import prepare_distributed
from part_synth.apis.memory import keep_freed_memory


def main() -> None:
    """Read the command line, build the runner, train."""
    cfg = train_config(train_parser().parse_args())
    prepare_distributed(cfg)
    keep_freed_memory()
    Runner.from_cfg(cfg).train()


if __name__ == "__main__":
    sys.exit(run_tool(main))
