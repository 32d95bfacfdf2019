"""From videos to a data set that models train on without labels.

Each video is read twice: people are found and followed, then the frames of the clips that are kept
are written. No more than the frames of one median are in memory at a time.

Symbols: N boxes of people, P people of a frame, M frames of a median.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from part_synth.datasets.wild.camera_motion import CameraMotion
from part_synth.datasets.wild.clips import ClipRules, Clips, Tracks, cut_clips
from part_synth.datasets.wild.people import People
from part_synth.datasets.wild.video_file import VideoFile, VideoFrame, find_videos
from part_synth.datasets.wild.writer import VideoWriter, remove_video, write_json

# Changes when the same options would make another set.
_VERSION = 1
# Frames of a median; odd, so that the median is one of the values.
_MEDIAN_FRAMES = 61
# What a median may take in memory; larger frames have fewer.
_MEDIAN_MIB = 256
_PX_PER_SCALE = 200.0


class Finder(Protocol):
    """Says where people are; see :mod:`part_synth.datasets.wild.people`."""

    margin: float
    bounds_people: bool

    def find(self, frame: VideoFrame) -> People:
        """The people of a frame."""


class PoseReader(Protocol):
    """Says where a person's joints are; see :class:`~part_synth.datasets.wild.people.PoseModel`."""

    def keypoints(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """(P, 17, 3) joints of the people in boxes (P, 4)."""


@dataclass(frozen=True)
class WildOptions:
    """What is taken from videos.

    Attributes:
        fps: Frames per second to take at most; None: all.
        max_side: Frames are made smaller until their longer side has so many px.
        rules: Which clips are kept.
        people: In words where people and joints come from; another text is another set.
    """

    fps: float | None = 10.0
    max_side: int = 1280
    rules: ClipRules = field(default_factory=ClipRules)
    people: str = ""

    def __post_init__(self):
        if self.fps is not None and not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps must be positive, got {self.fps}.")
        if self.max_side < 64:
            raise ValueError(f"max_side must be at least 64 px, got {self.max_side}.")


@dataclass(frozen=True)
class VideoOutcome:
    """What became of a video.

    Attributes:
        source: The file.
        name: Its name in the data set.
        error: Why it could not be read; empty where it could.
        reused: Whether an earlier run had prepared it.
        record: What ``videos/NAME.json`` says; empty with an error.
    """

    source: Path
    name: str
    error: str = ""
    reused: bool = False
    record: dict = field(default_factory=dict)


def prepare_videos(
    videos: Sequence[str | Path],
    out: str | Path,
    finder: Finder | Callable[[Path], Finder],
    pose_model: PoseReader | None = None,
    options: WildOptions | None = None,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[VideoOutcome]:
    """Find people in videos and write their clips in the layout 'wild'.

    Videos that an earlier run has prepared with the same options are left as they are. A video that
    can't be read is named in the result and does not stop the others.

    Args:
        videos: Files, and folders of them.
        out: Folder of the data set.
        finder: What finds people, or what gives that for a video (boxes of files).
        pose_model: What finds 2D joints; None where the finder brings them or none are wanted.
        options: What is taken.
        force: Prepare videos again that were prepared with other options.
        progress: Called with a video's name, steps done and steps in all (0: not known).

    Returns:
        list[VideoOutcome]: One for each video, in order. The same is in ``OUT/summary.json``.

    Raises:
        FileNotFoundError: There is no such video.
        ValueError: ``out`` can't be written to, or holds something else, or videos were prepared
            with other options and ``force`` is not given.
    """
    # Imported here: it builds on this package.
    from part_synth.outputs.folders import check_out_dir

    options = options or WildOptions()
    files = find_videos(list(videos))
    out = Path(out).expanduser()
    _check_kind(out)
    out = check_out_dir(out)
    known = _known_records(out)
    names = _names(files, known)
    fingerprint = _fingerprint(options)
    _check_fingerprints(out, names, known, fingerprint, force)
    outcomes = []
    for file, name in names.items():
        record = known.get(name)
        if record is not None and record["key"] == _key(file, fingerprint):
            outcomes.append(VideoOutcome(file, name, reused=True, record=record))
            continue
        tell = None if progress is None else _named(progress, name)
        try:
            video = VideoFile(file, options.fps, options.max_side)
            found = finder if hasattr(finder, "find") else finder(file)
        except (ValueError, FileNotFoundError) as error:
            outcomes.append(VideoOutcome(file, name, error=str(error)))
            continue
        record = _prepare(video, name, out, found, pose_model, options, tell)
        outcomes.append(VideoOutcome(file, name, record=record))
    write_json(out / "summary.json", _summary(outcomes, options))
    return outcomes


def _prepare(
    video: VideoFile,
    name: str,
    out: Path,
    finder: Finder,
    pose_model: PoseReader | None,
    options: WildOptions,
    tell: Callable[[int, int], None] | None,
) -> dict:
    """Read a video twice and write what is kept of it."""
    total = 2 * video.announced
    motion = CameraMotion()
    tracks, count = _follow(video, finder, motion, lambda n: tell and tell(n, total))
    clips = cut_clips(tracks, options.rules, video.size)
    record = {
        "name": name,
        "source": str(video.path),
        "key": _key(video.path, _fingerprint(options)),
        "people_from": options.people,
        "size": list(video.size),
        "size_over_original": video.scale,
        "frames_read": count,
        "boxes_found": len(tracks),
        "clips": len(clips),
        "people": len(np.unique(clips.person)),
        "frames": len(clips.rows),
        "dropped": clips.dropped,
        "moving_camera": motion.moving,
        "notes": video.notes,
    }
    if not motion.compared:
        record["notes"].append(
            "Whether the camera moves can't be told (a short video, or a plain scene); it is taken "
            "as standing still."
        )
    writer = VideoWriter(out, name)
    try:
        joints = _write_frames(
            video, writer, tracks, clips, pose_model, count, motion.moving, tell, total
        )
        record["frames_with_joints"] = int(np.isfinite(joints).all((1, 2)).sum())
        writer.finish(_arrays(tracks, clips, joints, finder.margin), record)
    finally:
        writer.close()
    return record


def _follow(
    video: VideoFile, finder: Finder, motion: CameraMotion, tell: Callable[[int], None]
) -> tuple[Tracks, int]:
    """First reading: people, who is who, whether the camera moves; and the number of frames."""
    tracker = None
    columns: dict[str, list] = {key: [] for key in ("place", "time", "ids", "boxes", "keypoints")}
    count = 0
    for place, frame in enumerate(video.frames()):
        people = finder.find(frame)
        motion.add(frame.image, frame.time, people.boxes if finder.bounds_people else None)
        ids = people.ids
        if ids is None:
            tracker = tracker or _make_tracker(video.sampled_rate)
            ids = tracker.update(people.boxes, people.scores)
        number = len(people.boxes)
        joints = people.keypoints
        columns["place"].append(np.full(number, place, dtype=np.int64))
        columns["time"].append(np.full(number, frame.time))
        columns["ids"].append(np.asarray(ids, dtype=np.int64))
        columns["boxes"].append(people.boxes)
        columns["keypoints"].append(_no_joints(number) if joints is None else joints)
        count = place + 1
        tell(frame.number)
    arrays = {key: np.concatenate(parts) for key, parts in columns.items()}
    return Tracks(**arrays), count


def _make_tracker(fps: float):
    """A tracker; mmdet, whose ByteTrack it is, takes long to import."""
    from part_synth.inferencer.tracking import BoxTracker

    return BoxTracker(fps)


def _write_frames(
    video: VideoFile,
    writer: VideoWriter,
    tracks: Tracks,
    clips: Clips,
    pose_model: PoseReader | None,
    count: int,
    moving: bool,
    tell: Callable[[int, int], None] | None,
    total: int,
) -> np.ndarray:
    """Second reading: images, joints and the background; gives the joints (n, 17, 3)."""
    joints = tracks.keypoints[clips.rows].copy()
    if not len(clips.rows):
        return joints
    places = tracks.place[clips.rows]
    order = np.argsort(places, kind="stable")
    ends = np.searchsorted(places[order], np.arange(count + 1))
    width, height = video.size
    number = max(min(_MEDIAN_FRAMES, int(_MEDIAN_MIB * 2**20 / (3 * width * height)), count), 1)
    number -= 1 - number % 2
    spread = set(np.floor((np.arange(number) + 0.5) * count / number).astype(int).tolist())
    stack = [] if moving else np.empty((number, height, width, 3), dtype=np.uint8)
    stacked, last = 0, int(places.max())
    for place, frame in enumerate(video.frames()):
        if not moving and place in spread:
            stack[stacked] = frame.image
            stacked += 1
        here = order[ends[place] : ends[place + 1]]
        if len(here):
            writer.image(frame.image, round(1000 * frame.time))
            if pose_model is not None:
                boxes = tracks.boxes[clips.rows[here]]
                joints[here] = pose_model.keypoints(frame.image, boxes)
        if tell:
            tell(total // 2 + frame.number, total)
        if place >= last and (moving or stacked == number):
            break
    if not moving:
        writer.background(_median(stack[:stacked]))
    return joints


def _median(stack: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 median over the first axis, row by row to save memory."""
    middle = len(stack) // 2
    rows = [np.partition(stack[:, y], middle, axis=0)[middle] for y in range(stack.shape[1])]
    return np.stack(rows)


def _arrays(
    tracks: Tracks, clips: Clips, joints: np.ndarray, margin: float
) -> dict[str, np.ndarray]:
    """What the file of a video holds, see :data:`part_synth.datasets.wild.layout.ARRAYS`."""
    boxes = tracks.boxes[clips.rows]
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)
    return {
        "time_ms": np.rint(1000 * tracks.time[clips.rows]).astype(np.int64),
        "person": clips.person.astype(np.int64),
        "clip": clips.clip.astype(np.int64),
        "center": ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32),
        "scale": (margin * sides / _PX_PER_SCALE).astype(np.float32),
        "keypoints": joints.astype(np.float32),
    }


def _no_joints(count: int) -> np.ndarray:
    """(count, 17, 3): places unknown, scores 0."""
    joints = np.full((count, 17, 3), np.nan, dtype=np.float32)
    joints[..., 2] = 0
    return joints


def _check_kind(out: Path) -> None:
    """Refuse a folder that holds something else."""
    if not out.is_dir() or (out / "videos").is_dir():
        return
    foreign = [p.name for p in out.iterdir() if not p.name.startswith(".")]
    if foreign:
        raise ValueError(
            f"{out} exists and is no set of prepared videos (it holds {foreign[0]}); name another "
            "folder by --out."
        )


def _known_records(out: Path) -> dict[str, dict]:
    """Records of earlier runs, by name; damaged ones count as none."""
    records = {}
    for path in sorted((out / "videos").glob("*.json")):
        try:
            record = json.loads(path.read_text())
            if {"name", "source", "key", "clips"} <= set(record):
                records[path.stem] = record
        except (OSError, ValueError, TypeError):
            continue
    return records


def _names(files: Sequence[Path], known: dict[str, dict]) -> dict[Path, str]:
    """Name of every video in the data set, the same in each run."""
    named = {Path(record["source"]): name for name, record in known.items()}
    names: dict[Path, str] = {}
    taken = {name.lower() for name in known}
    for file in files:
        name = named.get(file)
        if name is None:
            name = re.sub(r"[^A-Za-z0-9-]+", "-", file.stem).strip("-") or "video"
            if name.lower() in taken:
                # Cameras call their files alike.
                name += "-" + hashlib.sha256(str(file).encode()).hexdigest()[:6]
        taken.add(name.lower())
        names[file] = name
    return names


def _fingerprint(options: WildOptions) -> str:
    text = json.dumps([_VERSION, asdict(options)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _key(file: Path, fingerprint: str) -> str:
    """What a video was prepared from and how."""
    stat = file.stat()
    return f"{fingerprint}-{stat.st_size}-{stat.st_mtime_ns}"


def _check_fingerprints(
    out: Path, names: dict[Path, str], known: dict[str, dict], fingerprint: str, force: bool
) -> None:
    other = [n for n, record in known.items() if not record["key"].startswith(fingerprint)]
    if other and not force:
        raise ValueError(
            f"{out} was made with other options ({len(other)} videos, such as {other[0]}); name "
            "another folder by --out, or give --force to prepare them again."
        )
    for name in other:
        # Those that are not named now would stay as they were made.
        if name not in names.values():
            raise ValueError(
                f"{out} holds {name}, made with other options and not among the videos named now; "
                "name it too, or another folder by --out."
            )
        remove_video(out, name)


def _summary(outcomes: Sequence[VideoOutcome], options: WildOptions) -> dict:
    return {
        "options": asdict(options),
        "videos": [
            {"source": str(o.source), "name": o.name, "error": o.error, **o.record}
            for o in outcomes
        ],
        "clips": sum(o.record.get("clips", 0) for o in outcomes),
        "frames": sum(o.record.get("frames", 0) for o in outcomes),
    }


def _named(progress: Callable[[str, int, int], None], name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)
