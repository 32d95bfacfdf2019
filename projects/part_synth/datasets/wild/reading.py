"""The two readings of a video: who is where, then the frames of the clips that are kept.

Symbols: N boxes of people, M frames of a median, n boxes in clips.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from part_synth.datasets.video_reader import VideoReader
from part_synth.datasets.wild.camera_motion import CameraMotion
from part_synth.datasets.wild.clips import Clips, Tracks
from part_synth.datasets.wild.options import Finder, PoseReader
from part_synth.datasets.wild.writer import VideoWriter
from part_synth.people import BoxTracker

# Frames of a median; odd, so that the median is one of the values.
_MEDIAN_FRAMES = 61
# What a median may take in memory; larger frames have fewer.
_MEDIAN_MIB = 256


def follow_people(
    video: VideoReader, finder: Finder, motion: CameraMotion, tell: Callable[[int], None]
) -> tuple[Tracks, int]:
    """First reading: people, who is who, whether the camera moves.

    Args:
        video: The video.
        finder: Says where people are.
        motion: Is shown every frame.
        tell: Called with the number of each frame.

    Returns:
        tuple: Everybody, and the number of frames that were read.
    """
    tracker = None
    columns: dict[str, list] = {key: [] for key in ("place", "time", "ids", "boxes", "keypoints")}
    count = 0
    for place, frame in enumerate(video.frames()):
        people = finder.find(frame)
        motion.add(frame.image, frame.time, people.boxes if finder.bounds_people else None)
        ids = people.person_ids
        if ids is None:
            tracker = tracker or BoxTracker(video.sampled_rate)
            ids = tracker.update(people.boxes, people.box_scores)
        number = len(people)
        columns["place"].append(np.full(number, place, dtype=np.int64))
        columns["time"].append(np.full(number, frame.time))
        columns["ids"].append(np.asarray(ids, dtype=np.int64))
        columns["boxes"].append(people.boxes)
        columns["keypoints"].append(
            np.concatenate([people.keypoints, people.scores[..., None]], axis=-1)
        )
        count = place + 1
        tell(frame.number)
    arrays = {key: np.concatenate(parts) for key, parts in columns.items()}
    return Tracks(**arrays), count


def write_clips(
    video: VideoReader,
    writer: VideoWriter,
    tracks: Tracks,
    clips: Clips,
    pose_model: PoseReader | None,
    count: int,
    moving: bool,
    tell: Callable[[int], None],
) -> np.ndarray:
    """Second reading: images, joints, and the background of a camera that stands still.

    Args:
        video: The video.
        writer: Takes images and the background.
        tracks: Everybody, of the first reading.
        clips: What is kept of it.
        pose_model: Says where joints are; None leaves those of the tracks.
        count: Frames of the first reading.
        moving: Whether the camera moves; there is no background then.
        tell: Called with the number of each frame.

    Returns:
        (n, 17, 3) px and score of the joints of the clips.
    """
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
        tell(frame.number)
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
