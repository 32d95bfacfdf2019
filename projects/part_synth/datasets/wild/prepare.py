"""From videos to a data set that models train on without labels.

Each video is read twice: people are found and followed, then the frames of the clips that are kept
are written. No more than the frames of one median are in memory at a time.

Symbols: n boxes in clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from part_synth.datasets.video_reader import VideoReader, find_videos
from part_synth.datasets.wild.camera_motion import CameraMotion
from part_synth.datasets.wild.clips import Clips, Tracks, cut_clips
from part_synth.datasets.wild.options import Finder, PoseReader, VideoOutcome, WildOptions
from part_synth.datasets.wild.reading import follow_people, write_clips
from part_synth.datasets.wild.records import (
    check_fingerprints,
    check_kind,
    fingerprint,
    key_of,
    known_records,
    names_of,
    summary_of,
)
from part_synth.datasets.wild.writer import VideoWriter, write_json

# px; in less nobody can be seen.
_SMALLEST = 32
_PX_PER_SCALE = 200.0


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
    check_kind(out)
    out = check_out_dir(out)
    known = known_records(out)
    names = names_of(files, known)
    made_by = fingerprint(options)
    check_fingerprints(out, names, known, made_by, force)
    outcomes = []
    for file, name in names.items():
        record = known.get(name)
        if record is not None and record["key"] == key_of(file, made_by):
            outcomes.append(VideoOutcome(file, name, reused=True, record=record))
            continue
        tell = _named(progress, name)
        try:
            video = VideoReader(file, options.fps, options.max_side, _SMALLEST)
            found = finder if hasattr(finder, "find") else finder(file)
        except (ValueError, FileNotFoundError) as error:
            outcomes.append(VideoOutcome(file, name, error=str(error)))
            continue
        record = _prepare(video, name, out, found, pose_model, options, tell)
        outcomes.append(VideoOutcome(file, name, record=record))
    write_json(out / "summary.json", summary_of(outcomes, options))
    return outcomes


def _prepare(
    video: VideoReader,
    name: str,
    out: Path,
    finder: Finder,
    pose_model: PoseReader | None,
    options: WildOptions,
    tell: Callable[[int, int], None],
) -> dict:
    """Read a video twice and write what is kept of it."""
    total = 2 * video.announced
    motion = CameraMotion()
    tracks, count = follow_people(video, finder, motion, lambda n: tell(n, total))
    clips = cut_clips(tracks, options.rules, video.size)
    record = {
        "name": name,
        "source": str(video.path),
        "key": key_of(video.path, fingerprint(options)),
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
        joints = write_clips(
            video,
            writer,
            tracks,
            clips,
            pose_model,
            count,
            motion.moving,
            lambda n: tell(video.announced + n, total),
        )
        record["frames_with_joints"] = int(np.isfinite(joints).all((1, 2)).sum())
        writer.finish(_arrays(tracks, clips, joints, finder.margin), record)
    finally:
        writer.close()
    return record


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


def _named(
    progress: Callable[[str, int, int], None] | None, name: str
) -> Callable[[int, int], None]:
    """To be called with steps done and steps in all."""
    if progress is None:
        return lambda done, total: None
    return lambda done, total: progress(name, done, total)
