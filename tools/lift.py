"""Lift 2D keypoints to 3D poses.

    python tools/lift.py predictions/video.json --image-size 1920 1080 --fps 30 --out poses.json
    python tools/lift.py openpose_folder --skeleton body25 --person all --out poses.npz

Reads what mmpose, OpenPose and AlphaPose write, and .npz and .npy files. The result holds the poses
in metres, camera frame, root at the origin, and in sentences what was taken for granted.
"""

import argparse
import sys
from pathlib import Path

from part_synth.apis import ConfigError, lift, read_keypoints
from part_synth.apis.cli import check_out_file, run_tool
from part_synth.geometry.keypoint_layouts import KEYPOINT_LAYOUTS
from rich.console import Console


def main() -> None:
    """Parse the command line, lift and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("keypoints", help="file, or folder with a JSON file for each frame")
    parser.add_argument(
        "--skeleton",
        help=f"layout of the keypoints: {', '.join(KEYPOINT_LAYOUTS)} (default: the file's)",
    )
    parser.add_argument(
        "--image-size", nargs=2, type=float, metavar=("W", "H"), help="of the pictures, pixels"
    )
    parser.add_argument("--focal", nargs=2, type=float, metavar=("FX", "FY"), help="pixels")
    parser.add_argument("--centre", nargs=2, type=float, metavar=("CX", "CY"), help="pixels")
    parser.add_argument("--fps", type=float, help="frames per second of a video")
    parser.add_argument(
        "--person",
        choices=["largest", "all"],
        help="largest: one person for each frame, the one with the largest box (default for files "
        "without identities); all: everybody",
    )
    parser.add_argument(
        "--min-score", type=float, default=0.3, help="joints below are missing (%(default)s)"
    )
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--model",
        nargs=2,
        metavar=("CONFIG", "CHECKPOINT"),
        help="a model of your own (default: the one in the package)",
    )
    model.add_argument(
        "--onnx", metavar="FILE", help="a model of your own as tools/export_onnx.py wrote it"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (%(default)s)")
    parser.add_argument("--out", default="poses.json", help=".json or .npz file (%(default)s)")
    args = parser.parse_args()

    check_out_file(args.out, (".json", ".npz"), [args.keypoints])
    if args.onnx is not None and Path(args.onnx).suffix.lower() != ".onnx":
        raise ConfigError(f"--onnx must end with .onnx, got {args.onnx}.")
    if (args.focal is None) != (args.centre is None):
        raise ConfigError("--focal and --centre belong together; give both or neither.")
    poses = lift(
        read_keypoints(args.keypoints, person=args.person),
        image_size=args.image_size,
        camera=None if args.focal is None else {"focal": args.focal, "centre": args.centre},
        skeleton=args.skeleton,
        model=args.onnx if args.model is None else tuple(args.model),
        fps=args.fps,
        min_score=args.min_score,
        device=args.device,
    )
    write = poses.to_json if Path(args.out).suffix.lower() == ".json" else poses.to_npz
    write(args.out)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    people = len(set(poses.person_ids.tolist()))
    console.print(
        f"{int(poses.ok.sum())} of {len(poses)} poses lifted (persons: {people}) -> {args.out}"
    )
    for sentence in poses.assumptions:
        console.print(f"- {sentence}")


if __name__ == "__main__":
    sys.exit(run_tool(main))
