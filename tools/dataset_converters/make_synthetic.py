"""Make the embedded data set: rendered people in motion, in the layout of Human3.6M."""

import argparse
import logging
import sys

from mmengine.logging import MMLogger
from part_synth.datasets.synthetic import Recipe, make_synthetic_mocap
from part_synth.datasets.synthetic.recipe import CLOTHES


def parse_args() -> argparse.Namespace:
    """Command line; the defaults are the set that the training command makes."""
    defaults = Recipe()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", default="data/synthetic_mocap", help="folder to make (default: %(default)s)"
    )
    parser.add_argument(
        "--subjects",
        type=int,
        nargs=3,
        metavar=("TRAIN", "VAL", "TEST"),
        default=defaults.subjects,
        help="people in each split (default: %(default)s)",
    )
    parser.add_argument(
        "--cameras",
        type=int,
        default=defaults.cameras,
        help="cameras around each person (default: %(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=defaults.frames_per_subject,
        help="frames of each person in each camera (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=int,
        default=defaults.size,
        help="side of the square images, px (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, help="same seed, same bytes (default: 0)"
    )
    parser.add_argument(
        "--motions",
        help="motion capture to use (npz of 17-joint clips, BVH) instead of made motion",
    )
    parser.add_argument(
        "--moving-camera", action="store_true", help="cameras travel instead of standing still"
    )
    parser.add_argument(
        "--clothes", choices=CLOTHES, default=defaults.clothes, help="default: %(default)s"
    )
    parser.add_argument(
        "--camera-distance",
        type=float,
        nargs=2,
        metavar=("LEAST", "MOST"),
        default=defaults.camera_distance,
        help="distance of the cameras, metres (default: %(default)s)",
    )
    parser.add_argument(
        "--camera-height",
        type=float,
        nargs=2,
        metavar=("LEAST", "MOST"),
        default=defaults.camera_height,
        help="height of the cameras, metres (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=int, help="processes (default: one per core; 0: this process only)"
    )
    return parser.parse_args()


def main() -> int:
    """Make the data set, or say in a sentence why not."""
    args = parse_args()
    logger = MMLogger.get_instance("make_synthetic", log_level="INFO")
    try:
        make_synthetic_mocap(
            args.out,
            subjects=args.subjects,
            cameras=args.cameras,
            frames_per_subject=args.frames,
            size=args.size,
            seed=args.seed,
            motions=args.motions,
            moving_camera=args.moving_camera,
            clothes=args.clothes,
            camera_distance=args.camera_distance,
            camera_height=args.camera_height,
            workers=args.workers,
        )
    except (ValueError, OSError, RuntimeError) as error:
        logger.log(logging.ERROR, "%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
