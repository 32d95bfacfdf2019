"""Make a data set of people from videos without labels.

    python tools/dataset_converters/prepare_videos.py videos/ --out data/wild \
        --detector rtmdet_tiny.py --detector-checkpoint rtmdet_tiny.pth \
        --pose2d rtmpose_m.py --pose2d-checkpoint rtmpose_m.pth
    python tools/dataset_converters/prepare_videos.py one_person.mp4 --out data/wild \
        --detector whole-frame

configs/part_synth_wild.py and configs/lifter_wild.py (which needs 2D joints) train on it. Run again
after a break, it goes on with the next video. See docs/prepare_videos.md.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from part_synth.apis import ConfigError
from part_synth.apis.cli import run_tool
from part_synth.datasets.video_reader import find_videos
from part_synth.datasets.wild import ClipRules, VideoOutcome, WildOptions, prepare_videos
from part_synth.datasets.wild.contact_sheet import write_contact_sheet
from part_synth.datasets.wild.people import (
    BoxFilePeople,
    DetectorPeople,
    KeypointFilePeople,
    PoseModel,
    WholeFramePeople,
)
from part_synth.datasets.wild.records import known_records
from part_synth.models.lifting.keypoint_infill import MIN_POSES
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

WHOLE_FRAME = "whole-frame"
BOX_ENDINGS = (".txt", ".csv", ".json", ".npz")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="+", help="files, and folders of them")
    parser.add_argument("--out", required=True, help="folder of the data set")
    people = parser.add_argument_group("people (one of the first three)")
    people.add_argument(
        "--detector",
        "--det-model",
        help=f"config of a detector of mmdet, a file or folder of boxes, or {WHOLE_FRAME}",
    )
    people.add_argument("--boxes", help="file of boxes, or folder with VIDEO.json, .txt, ...")
    people.add_argument("--keypoints", help="file of 2D joints, or folder with VIDEO.json, ...")
    people.add_argument(
        "--detector-checkpoint", "--det-weights", help="weights of the detector, a local file"
    )
    people.add_argument(
        "--min-score", type=float, default=0.3, help="detected boxes below are none (%(default)s)"
    )
    joints = parser.add_argument_group("2D joints")
    joints.add_argument("--pose2d", help="config of a top-down 2D pose model of mmpose")
    joints.add_argument("--pose2d-checkpoint", "--pose2d-weights", help="its weights, a local file")
    joints.add_argument("--skeleton", help="layout of --keypoints (default: the file's)")
    joints.add_argument(
        "--min-joint-score", type=float, default=0.3, help="joints below are missing (%(default)s)"
    )
    clips = parser.add_argument_group("clips")
    clips.add_argument(
        "--fps", type=float, default=10.0, help="frames per second at most; 0: all (%(default)s)"
    )
    clips.add_argument(
        "--max-side", type=int, default=1280, help="px, larger frames are shrunk (%(default)s)"
    )
    clips.add_argument(
        "--min-length", type=float, default=1.0, help="seconds of a clip, at least (%(default)s)"
    )
    clips.add_argument(
        "--min-size", type=float, default=64.0, help="px of a person, at least (%(default)s)"
    )
    clips.add_argument(
        "--max-gap", type=float, default=0.5, help="seconds without the person (%(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (%(default)s)")
    parser.add_argument("--force", action="store_true", help="replace what other options made")
    return parser.parse_args()


def main() -> None:
    """Parse the command line, prepare, and show what was kept."""
    args = parse_args()
    options = WildOptions(
        fps=args.fps or None,
        max_side=args.max_side,
        rules=ClipRules(args.min_length, args.min_size, args.max_gap),
        people=people_in_words(args),
    )
    finder = make_finder(args)
    if (args.pose2d is None) != (args.pose2d_checkpoint is None):
        raise ConfigError("--pose2d and --pose2d-checkpoint belong together; give both or neither.")
    pose_model = args.pose2d and PoseModel(
        args.pose2d, args.pose2d_checkpoint, args.device, args.min_joint_score
    )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, int] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None)
            bar.update(tasks[name], completed=done)

        outcomes = prepare_videos(
            args.videos, args.out, finder, pose_model, options, args.force, progress
        )
    show(console, outcomes)
    if not any(outcome.record.get("clips") for outcome in outcomes):
        raise ConfigError(f"No clip was kept. {' '.join(map(reasons, outcomes))}")
    sheet = write_contact_sheet(args.out, Path(args.out) / "contact_sheet.jpg")
    console.print(f"{args.out}: look at {sheet} before training.")
    if args.keypoints is not None or args.pose2d is not None:
        warn_of_few_poses(console, args)


def people_in_words(args: argparse.Namespace) -> str:
    """Where people and joints come from."""
    named = ("detector", "detector_checkpoint", "min_score", "boxes", "keypoints", "skeleton")
    named += ("pose2d", "pose2d_checkpoint", "min_joint_score")
    return ", ".join(f"{key}={getattr(args, key)}" for key in named if getattr(args, key))


def make_finder(args: argparse.Namespace) -> object:
    """What finds people, or what gives that for a video."""
    given = [n for n in ("detector", "boxes", "keypoints") if getattr(args, n) is not None]
    if len(given) != 1:
        raise ConfigError(
            "Say where people are by one of --detector CONFIG (with --detector-checkpoint), "
            f"--detector {WHOLE_FRAME}, --boxes FILE and --keypoints FILE; got "
            f"{', '.join(f'--{n}' for n in given) or 'none'}."
        )
    if args.detector == WHOLE_FRAME:
        return WholeFramePeople()
    boxes = args.boxes or args.detector
    if boxes is not None:
        path = Path(boxes).expanduser()
        if args.boxes or path.suffix.lower() in BOX_ENDINGS or path.is_dir():
            return files_of_videos(f"--{given[0]}", boxes, args.videos, BoxFilePeople)
    if args.keypoints is not None:

        def read(path: Path) -> KeypointFilePeople:
            return KeypointFilePeople(path, args.skeleton, args.min_joint_score)

        return files_of_videos("--keypoints", args.keypoints, args.videos, read)
    if args.detector_checkpoint is None:
        raise ConfigError(
            f"--detector {args.detector} needs --detector-checkpoint FILE, its weights."
        )
    return DetectorPeople(args.detector, args.detector_checkpoint, args.device, args.min_score)


def files_of_videos(
    flag: str, given: str, videos: list[str], read: Callable[[Path], object]
) -> Callable[[Path], object]:
    """What gives the finder of a video: one file, or a folder with a file for each video."""
    path = Path(given).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no {path.absolute()}, which {flag} names.")
    several = len(videos) > 1 or Path(videos[0]).is_dir()
    if several and not path.is_dir():
        raise ConfigError(
            f"{flag} {given} is one file, but there are several videos; name a folder with a file "
            "for each, called like the video."
        )
    # A folder may also hold the frames of one video, as OpenPose writes them.
    frames = flag == "--keypoints" and not several and file_of(path, Path(videos[0])) is None
    one = not path.is_dir() or frames
    if not one:
        check_names(flag, given, find_videos(videos))

    def of(video: Path) -> object:
        file = path if one else file_of(path, video)
        if file is None:
            raise FileNotFoundError(f"{path} has no file {video.stem}.json (.npz, .txt, .csv).")
        return read(file)

    return of


def check_names(flag: str, given: str, videos: list[Path]) -> None:
    """Refuse videos that would take the same file of a folder."""
    first: dict[str, Path] = {}
    for video in videos:
        other = first.setdefault(video.stem, video)
        if other != video:
            raise ConfigError(
                f"{other} and {video} would both take the file {video.stem}.* in {flag} {given}. "
                "Rename one of them, and its file too; or prepare each by itself, with its own "
                f"{flag} and its own --out."
            )


def file_of(folder: Path, video: Path) -> Path | None:
    """The file in a folder that is called like a video."""
    files = (folder / (video.stem + ending) for ending in BOX_ENDINGS)
    return next((file for file in files if file.is_file()), None)


def reasons(outcome: VideoOutcome) -> str:
    """Why nothing, or not all, of a video was kept."""
    if outcome.error:
        return outcome.error
    record = outcome.record
    if not record["boxes_found"]:
        return f"{outcome.source.name}: nobody was found in {record['frames_read']} frames."
    said = ", ".join(f"{count} {reason}" for reason, count in record["dropped"].items())
    return f"{outcome.source.name}: of {record['boxes_found']} boxes {said or 'none'} dropped."


def warn_of_few_poses(console: Console, args: argparse.Namespace) -> None:
    """Say so where the set, earlier runs included, has too few 2D poses for a lifter."""
    records = known_records(Path(args.out).expanduser()).values()
    count = sum(record.get("frames_with_joints", 0) for record in records)
    if count < MIN_POSES:
        frames = ", or take every frame (--fps 0 --force)" if args.fps else ""
        console.print(
            f"Warning: {count} frames of the set have all 17 joints; configs/lifter_wild.py needs "
            f"at least {MIN_POSES}. Give more or longer videos{frames}."
        )


def show(console: Console, outcomes: list[VideoOutcome]) -> None:
    """What was kept of each video, and below it why the rest was dropped."""
    table = Table("video", "people", "clips", "frames", "with joints", "camera", "this run")
    lines = []
    for outcome in outcomes:
        record = outcome.record
        if outcome.error:
            table.add_row(outcome.name, *"-----", "left out")
            lines.append(f"{outcome.name}: {outcome.error}")
            continue
        counts = [str(record[k]) for k in ("people", "clips", "frames", "frames_with_joints")]
        camera = "moves" if record["moving_camera"] else "stands still"
        table.add_row(outcome.name, *counts, camera, "as it was" if outcome.reused else "new")
        if record["dropped"] or not record["boxes_found"]:
            lines.append(reasons(outcome))
        lines += [f"{outcome.name}: {note}" for note in record["notes"]]
    console.print(table)
    for line in lines:
        console.print(f"- {line}")


if __name__ == "__main__":
    sys.exit(run_tool(main, "Finished videos are kept; the same command goes on."))
