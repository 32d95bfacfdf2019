"""Make a benchmark data set from motion capture: virtual cameras, the layout of Human3.6M.

    python tools/dataset_converters/cmu_mocap.py cmu_mocap_h36m17.npz --out data/cmu
    python tools/dataset_converters/cmu_mocap.py all_asfamc/subjects --out data/cmu --noise 5

Motions are npz files of 17-joint clips, BVH files, AMC files beside their ASF skeleton, or folders
of these.
"""

import argparse
import sys

from mmengine.logging import MMLogger
from part_synth.apis.cli import run_tool
from part_synth.datasets.mocap_benchmark import MocapRecipe, make_mocap_benchmark, summary
from rich.console import Console


def parse_args() -> argparse.Namespace:
    """Command line."""
    defaults = MocapRecipe(motions=("",))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("motions", nargs="+", metavar="MOTIONS", help="files or folders")
    parser.add_argument("--out", default="data/cmu", help="folder to make (default: %(default)s)")
    parser.add_argument(
        "--fps",
        type=float,
        default=defaults.fps,
        help="frames per second of the set, not more than the motions have (default: %(default)g)",
    )
    parser.add_argument(
        "--val-subjects",
        nargs="+",
        metavar="NAME",
        help="people to validate on (default: the file's; else 08, ev_soccer, gs_charleston of "
        "CMU; else the last tenth of the training people)",
    )
    parser.add_argument(
        "--test-subjects",
        nargs="+",
        metavar="NAME",
        help="people to test on (default: the file's)",
    )
    parser.add_argument(
        "--noise",
        type=float,
        metavar="PX",
        help="also write 2D joints with detector-like noise of this standard deviation",
    )
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, help="same seed, same bytes (default: 0)"
    )
    parser.add_argument(
        "--cameras",
        type=int,
        default=defaults.cameras,
        help="cameras around each person (default: %(default)s)",
    )
    parser.add_argument(
        "--amc-fps",
        type=float,
        default=defaults.amc_fps,
        help="frames per second of AMC files, which don't say (default: %(default)g)",
    )
    parser.add_argument(
        "--vary-bones",
        type=float,
        default=defaults.vary_bones,
        metavar="SD",
        help="give each person other bones, by factors of this spread, such as 0.12, to train "
        "lifters that are used on other skeletons (default: %(default)g)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a set of this kind that is at --out"
    )
    return parser.parse_args()


def main() -> None:
    """Make the data set and say what is in it."""
    args = parse_args()
    MMLogger.get_instance("cmu_mocap", log_level="INFO")
    recipe = MocapRecipe(
        motions=tuple(args.motions),
        fps=args.fps,
        val_subjects=None if args.val_subjects is None else tuple(args.val_subjects),
        test_subjects=None if args.test_subjects is None else tuple(args.test_subjects),
        noise=args.noise,
        seed=args.seed,
        cameras=args.cameras,
        amc_fps=args.amc_fps,
        vary_bones=args.vary_bones,
    )
    meta = make_mocap_benchmark(recipe, args.out, args.force)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{args.out}\n{summary(meta)}")


if __name__ == "__main__":
    sys.exit(run_tool(main))
