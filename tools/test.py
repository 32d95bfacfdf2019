"""Test a model: ``python tools/test.py CONFIG CHECKPOINT [--out metrics.json] ...``."""

import sys

from mmengine.runner import Runner
from part_synth.apis.cli import run_tool, test_parser, write_metrics
from part_synth.apis.config import test_config
from part_synth.apis.distributed import prepare_distributed
from part_synth.engine.checkpoint_guard import check_before_data


def main() -> None:
    """Read the command line, build the runner, evaluate, write the metrics."""
    args = test_parser().parse_args()
    cfg = test_config(args)
    prepare_distributed(cfg)
    runner = Runner.from_cfg(cfg)
    check_before_data(runner)
    metrics = runner.test()
    if args.out:
        write_metrics(metrics, args.out)


if __name__ == "__main__":
    sys.exit(run_tool(main))
