"""3D poses of the people in a picture, a folder of pictures, a video or a webcam.

    python demo/inferencer_demo.py walk.mp4 --keypoints walk_2d.json --vis-out-dir out
    python demo/inferencer_demo.py walk.mp4 --pose2d RTMPOSE.py --pose2d-weights RTMPOSE.pth
        --det-model RTMDET.py --det-weights RTMDET.pth --vis-out-dir out --pred-out-dir out
    python demo/inferencer_demo.py 0 --pose2d ... --det-model ... --show

The flags are those of mmpose's inferencer_demo.py. Without --pose3d the lifter in the package is
taken. 2D joints come from a 2D model of mmpose, or from a file. See docs/in_the_wild.md.
"""

import argparse
import sys

# The names that the package has, written out: a mistyped flag is refused before its slow import.
FORMATS = ("json", "csv", "npz", "bvh")
CODECS = ("avc1", "mp4v", "vp09")


def main(args: argparse.Namespace | None = None) -> None:
    """Run; the inferencer itself ends well after Ctrl-C in its work.

    Args:
        args: The command line, parsed; None = that of the process.
    """
    args = args or _parser().parse_args()
    from part_synth.apis.cli import INTERRUPTED

    try:
        _run(args)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; files that are there are whole.\n")
        sys.exit(INTERRUPTED)


def _run(args: argparse.Namespace) -> None:
    """Predict, draw and write."""
    from part_synth.apis import ConfigError
    from part_synth.apis.cli import INTERRUPTED
    from part_synth.inferencer import PartSynthInferencer
    from rich.console import Console

    if (args.focal is None) != (args.centre is None):
        raise ConfigError("--focal and --centre belong together; give both or neither.")
    if not (args.out_dir or args.vis_out_dir or args.pred_out_dir or args.show):
        raise ConfigError(
            "There is nothing to do with the result: give --vis-out-dir, --pred-out-dir, --out-dir "
            "or --show."
        )
    inferencer = PartSynthInferencer(
        pose3d=args.pose3d,
        pose3d_weights=args.pose3d_weights,
        pose2d=args.pose2d,
        pose2d_weights=args.pose2d_weights,
        device=args.device,
        det_model=args.det_model,
        det_weights=args.det_weights,
        det_cat_ids=args.det_cat_ids,
        bbox_thr=args.bbox_thr,
        nms_thr=args.nms_thr,
        skeleton=args.skeleton,
        batch_size=args.batch_size,
        show_progress=not args.quiet,
    )
    results = inferencer(
        args.inputs,
        keypoints=args.keypoints,
        bboxes=args.bboxes,
        out_dir=args.out_dir,
        vis_out_dir=args.vis_out_dir,
        pred_out_dir=args.pred_out_dir,
        out_formats=args.formats,
        show=args.show,
        wait_time=args.wait_time,
        kpt_thr=args.kpt_thr,
        camera=None if args.focal is None else {"focal": args.focal, "centre": args.centre},
        smooth=args.smooth,
        codec=args.codec,
    )
    poses = sum(len(people) for result in results for people in result["predictions"])
    sequence = inferencer.sequence
    if sequence is None:
        raise ConfigError("The webcam gave no frame.")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    people = len(sequence.header()["person_ids"])
    frames = _counted(sequence.num_frames, "frame")
    console.print(f"{_counted(poses, 'pose')} in {frames} (persons: {people})")
    for sentence in sequence.assumptions:
        console.print(f"- {sentence}")
    if sequence.interrupted:
        console.print("Interrupted: what was done before is written.")
        sys.exit(INTERRUPTED)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("inputs", help="picture, folder of pictures, video, or webcam: 'webcam', 'webcam:1', 0")
    add(
        "--pose3d",
        help="config of a lifter or image model, or the name of one in the package: lifter "
        "(default), part_synth_synthetic_long or part_synth_synthetic_64px",
    )
    add("--pose3d-weights", help="its checkpoint")
    add("--pose2d", help="config or name of a 2D model of mmpose")
    add("--pose2d-weights", help="its checkpoint")
    add("--det-model", help="config or name of a detector of mmdet; whole-frame: no detector")
    add("--det-weights", help="its checkpoint")
    add(
        "--det-cat-ids", type=int, nargs="+", default=[0], help="categories of people (%(default)s)"
    )
    add("--keypoints", metavar="FILE", help="2D keypoints of mmpose, OpenPose or AlphaPose")
    add("--skeleton", help="layout of 2D joints: coco, halpe26, ... (default: known)")
    add("--bboxes", metavar="FILE", help="boxes: MOTChallenge's .txt, mmpose's .json, .npz")
    add("--bbox-thr", type=float, default=0.3, help="least score of a box (%(default)s)")
    add("--nms-thr", type=float, default=0.3, help="of boxes that overlap more one is kept")
    add("--kpt-thr", type=float, default=0.3, help="least score of a 2D joint (%(default)s)")
    add("--device", help="cpu, cuda, ... (default: a GPU if there is one)")
    add("--batch-size", type=int, default=16, help="frames at once (%(default)s)")
    add("--out-dir", help="folder for both kinds of results")
    add("--vis-out-dir", help="folder for pictures and videos")
    add("--pred-out-dir", help="folder for poses")
    add("--formats", nargs="+", default=["json"], choices=FORMATS, help="of poses (json)")
    add("--codec", default="auto", choices=["auto", *CODECS], help="of videos (%(default)s)")
    add("--show", action="store_true", help="show the pictures in a window")
    add("--wait-time", type=float, default=0.0, help="seconds that each picture is shown")
    add("--focal", nargs=2, type=float, metavar=("FX", "FY"), help="of the camera, px")
    add("--centre", nargs=2, type=float, metavar=("CX", "CY"), help="principal point, px")
    add("--smooth", type=float, default=0.0, metavar="SECONDS", help="Gaussian over time (none)")
    add("--quiet", action="store_true", help="no progress bars")
    return parser


if __name__ == "__main__":
    arguments = _parser().parse_args()
    from part_synth.apis.cli import run_tool

    sys.exit(run_tool(lambda: main(arguments)))
