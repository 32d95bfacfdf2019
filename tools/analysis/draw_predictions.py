"""Draw the best, middle and worst test pictures of a checkpoint, by P-MPJPE.

python tools/analysis/draw_predictions.py CONFIG CHECKPOINT --out sheet.png [--rows 4]
"""

import argparse
import sys
import tempfile

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from part_synth.apis.cli import run_tool
from part_synth.apis.config import add_checkpoint_guard, check_checkpoint_file, load_config
from part_synth.evaluation.functional import p_mpjpe
from part_synth.visualization.hooks import write_image
from part_synth.visualization.sample_rows import prediction_row
from part_synth.visualization.sheets import prediction_sheet


class _Collect(Hook):
    """Keeps what a sheet needs of every test sample, and its error."""

    def __init__(self) -> None:
        self.rows, self.errors = [], []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        for k, sample in enumerate(outputs):
            row = prediction_row(sample, data_batch, k)
            self.rows.append(row)
            self.errors.append(float(p_mpjpe(row.joints, row.gt_joints)))


def chosen(errors: list[float], rows: int) -> np.ndarray:
    """Indices of the best, the middle and the worst, ``rows`` of each, in that order.

    Neighbouring frames look alike, so each third is spread over its tenth of the errors.
    """
    order = np.argsort(errors)
    share = max(len(order) // 10, min(rows, len(order)))
    starts = (0, (len(order) - share) // 2, len(order) - share)
    within = np.linspace(0, share - 1, min(rows, share)).round().astype(int)
    return np.concatenate([order[start + within] for start in starts])


def main() -> None:
    """Parse the command line, test, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--out", default="predictions.png", help="picture (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=4, help="of each (default: %(default)s)")
    args = parser.parse_args()
    if args.rows < 1:
        raise ValueError(f"--rows must be at least 1, got {args.rows}")

    cfg = load_config(args.config)
    check_checkpoint_file(args.checkpoint)
    cfg.load_from, cfg.resume = args.checkpoint, False
    add_checkpoint_guard(cfg, min_matched=1.0, prediction_only=True)
    collect = _Collect()
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        runner.register_hook(collect)
        runner.test()
    picked = chosen(collect.errors, args.rows)
    write_image(args.out, prediction_sheet([collect.rows[i] for i in picked]))
    print(
        f"{args.out}: best, middle and worst tenth of {len(collect.errors)} pictures; P-MPJPE "
        + ", ".join(f"{collect.errors[i]:.0f}" for i in picked)
        + " mm"
    )


if __name__ == "__main__":
    sys.exit(run_tool(main))
