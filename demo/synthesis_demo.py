"""The looks of one person in the poses of others, or seen from all around.

    python demo/synthesis_demo.py anna.jpg ben.jpg --out swapped.png
    python demo/synthesis_demo.py anna.jpg --poses ben_dances.mp4 --out anna_dances.mp4
    python demo/synthesis_demo.py anna.jpg --rotate 12 --out around.png

LOOKS are pictures, or folders of several pictures of one person. With several LOOKS and no --poses
everyone takes the pose of everyone: rows of the sheet are pose transfer, columns appearance
transfer. --out is a sheet (.png), a video (.mp4), or a folder for both and for single pictures.
See docs/synthesis.md.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from part_synth.apis import ConfigError, load_synthesizer, synthesize
from part_synth.apis.cli import check_out_file, run_tool
from part_synth.apis.pose_files import POSE_FILE_ENDINGS, read_pose_file
from part_synth.apis.synthesis_inputs import as_poses, read_looks
from part_synth.apis.target_poses import TargetPoses, join_poses
from part_synth.inferencer.sources import open_source
from part_synth.outputs.folders import check_out_dir
from part_synth.outputs.video import VideoFile
from part_synth.visualization import write_image
from part_synth.visualization.synthesis_sheet import (
    pose_pictures,
    synthesis_frame,
    synthesis_sheet,
)
from rich.console import Console

_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_MOST_COLUMNS = 12
_MOST_VIEWS = 360
_DEFAULT_FPS = 12.5


def main() -> None:
    """Parse the command line, synthesise, write."""
    args = _parser().parse_args()
    _check(args)
    pictures = (args.poses, args.background, args.pose_scene)
    out = _check_out(args.out, [*args.looks, *(args.scene or ()), *pictures])
    model = load_synthesizer((args.config, args.checkpoint), args.device, not args.no_fit)
    boxes, scenes = (given or [None] * len(args.looks) for given in (args.box, args.scene))
    looks = [
        read_looks(model, picture, box, scene)
        for picture, box, scene in zip(args.looks, boxes, scenes, strict=True)
    ]
    if args.poses is not None:
        poses = _poses(model, args)
    elif args.rotate is None:
        poses = join_poses([person.poses.take([0]) for person in looks])
    else:
        poses = None
    views = None if args.rotate is None else np.arange(args.rotate) * 360.0 / args.rotate
    results = [
        synthesize(
            model,
            person,
            person.poses.take([0]) if poses is None else poses,
            background=_background(args.background),
            views=views,
        )
        for person in looks
    ]
    _write(args, results, out)


def _poses(model, args: argparse.Namespace) -> TargetPoses:
    """Every N-th of --poses; of a file of 3D poses those of one person."""
    if _is_pose_file(args):
        given = read_pose_file(args.poses, args.person, args.every)
        return as_poses(model, given, args.pose_box, args.pose_scene)
    poses = as_poses(model, args.poses, args.pose_box, args.pose_scene)
    return poses.take(range(0, len(poses), args.every))


def _is_pose_file(args: argparse.Namespace) -> bool:
    """Whether --poses is a file of 3D poses, not pictures."""
    return args.poses is not None and Path(args.poses).suffix.lower() in POSE_FILE_ENDINGS


def _write(args: argparse.Namespace, results: list, out: Path) -> None:
    """Write what --out asks for and tell of it."""
    images = np.stack([result.images for result in results])
    crops = [result.looks_crops[0] for result in results]
    turns = args.rotate or 1
    margins = _margins(args, results[0], turns)
    labels = _labels(args, results[0], turns)
    is_folder = out.suffix == ""
    written = []
    if is_folder or out.suffix.lower() != ".mp4":
        file = out / "sheet.png" if is_folder else out
        columns = np.linspace(0, images.shape[1] - 1, min(images.shape[1], _MOST_COLUMNS))
        columns = np.unique(columns.round().astype(int))
        shown = [margins[i] for i in columns]
        sheet = synthesis_sheet(crops, shown, images[:, columns], [labels[i] for i in columns])
        write_image(file, sheet)
        written.append(file)
    if out.suffix.lower() == ".mp4" or (is_folder and images.shape[1] > 1):
        file = out / "video.mp4" if is_folder else out
        with VideoFile(file, args.fps or _fps(args)) as video:
            for i, margin in enumerate(margins):
                video.write(synthesis_frame(crops, margin, images[:, i]))
        written.append(file)
    older = 0
    if is_folder:
        single = {
            out / "pictures" / f"looks{i}_{j:06d}.png": image
            for i, row in enumerate(images)
            for j, image in enumerate(row)
        }
        for file, image in single.items():
            write_image(file, image)
        there = {*(out / "pictures").iterdir(), *out.glob("video.mp4")}
        older = len(there - {*single, *written})
        written.append(out / "pictures")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    count, people = images.shape[0] * images.shape[1], len(images)
    console.print(
        f"{count} image{'s' * (count > 1)} of {people} {'people' if people > 1 else 'person'}"
    )
    for file in written:
        console.print(f"- {file}")
    if older:
        console.print(f"{older} other file{'s' * (older > 1)} of {out} stayed as they were.")


def _margins(args: argparse.Namespace, result, turns: int) -> list:
    """What each column or frame was made from: a picture, a drawn 3D pose, or nothing."""
    if args.poses is None and args.rotate is not None:
        return [None] * len(result.images)
    if result.pose_crops is None:
        return pose_pictures(result.joints_cam)
    return list(np.repeat(result.pose_crops, turns, axis=0))


def _labels(args: argparse.Namespace, result, turns: int) -> list[str]:
    """Words above the columns: number of the pose, and the view where it turns."""
    poses = len(result.images) // turns
    names = [f"pose {i}" if poses > 1 else "pose" for i in range(poses)]
    if args.rotate is None:
        return names
    views = [f"{view:.0f} deg" for view in result.views[:turns]]
    return [f"{name}, {view}" if poses > 1 else view for name in names for view in views]


def _fps(args: argparse.Namespace) -> float | None:
    """The rate of a video of poses; a slower one for views and pictures."""
    if args.poses is None or _is_pose_file(args):
        return _DEFAULT_FPS
    fps = open_source(Path(args.poses)).fps
    return _DEFAULT_FPS if fps is None else fps / args.every


def _check_out(out: str, inputs: list[str | None]) -> Path:
    """Raise before the work if its result could not be written."""
    path = Path(out).expanduser()
    if path.suffix == "" or path.is_dir():
        # A folder may have a dot in its name.
        return check_out_dir(path if path.suffix == "" else path / "synthesis")
    check_out_file(str(path), (*_PICTURE_ENDINGS, ".mp4"), inputs)
    check_out_dir(path.parent)
    return path


def _check(args: argparse.Namespace) -> None:
    """Raise for flags that do not go together."""
    for flag, given in (("--box", args.box), ("--scene", args.scene)):
        if given and len(given) != len(args.looks):
            raise ConfigError(
                f"{flag} is given {len(given)} times for {len(args.looks)} LOOKS; give it once for "
                "each, in their order, or not at all."
            )
    if args.rotate is not None and not 2 <= args.rotate <= _MOST_VIEWS:
        raise ConfigError(
            f"--rotate is the number of views around the person, 2 to {_MOST_VIEWS}, got "
            f"{args.rotate}."
        )
    if args.poses is None and (args.pose_box or args.pose_scene):
        raise ConfigError("--pose-box and --pose-scene belong to --poses; give it too.")
    if args.person is not None and not _is_pose_file(args):
        raise ConfigError(
            f"--person belongs to a file of 3D poses ({', '.join(POSE_FILE_ENDINGS)}) in --poses."
        )
    if args.every < 1:
        raise ConfigError(f"--every must be at least 1, got {args.every}.")
    if args.fps is not None and not 0 < args.fps <= 1000:
        raise ConfigError(f"--fps must be between 0 and 1000, got {args.fps}.")


def _background(text: str | None) -> str | list[int] | None:
    """'R,G,B' as numbers; anything else as it is."""
    if text is None:
        return None
    numbers = text.split(",")
    is_colour = len(numbers) == 3 and all(number.strip().isdigit() for number in numbers)
    return [int(number) for number in numbers] if is_colour else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    edges = {"nargs": 4, "type": float, "metavar": ("LEFT", "TOP", "RIGHT", "BOTTOM")}
    add("looks", nargs="+", metavar="LOOKS", help="picture, or folder of pictures of one person")
    add("--poses", help="picture, folder, video, or file of 3D poses (.npz, .bvh)")
    add("--every", type=int, default=1, metavar="N", help="take every N-th frame of --poses (all)")
    add("--person", type=int, metavar="ID", help="who of a file of 3D poses of several people")
    add("--rotate", type=int, metavar="N", help="show N views, all around the person")
    add("--background", help="'looks', 'poses', a picture, or R,G,B (default: grey)")
    add("--box", action="append", help="box of the person in each of LOOKS, px (whole)", **edges)
    add("--pose-box", help="box of the person in the pictures of --poses, px (whole)", **edges)
    add(
        "--scene",
        action="append",
        help="empty scene of the camera of each of LOOKS: picture, or 'median' of a folder",
    )
    add("--pose-scene", help="empty scene of the camera of --poses: picture, or 'median'")
    add("--config", help="config, or the name of a model in the package (default: the first)")
    add("--checkpoint", help="its checkpoint")
    add("--no-fit", action="store_true", help="take poses as read, not fitted to the parts seen")
    add("--device", default="cpu", help="cpu, cuda, ... (%(default)s)")
    add("--fps", type=float, help="of the video (that of --poses, else 12.5)")
    add("--out", default="synthesis.png", help=".png, .mp4 or a folder (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(run_tool(main))
