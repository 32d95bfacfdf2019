"""The first pass over the frames: rows of people, and nothing of the pictures.

Symbols: N rows (a person in a frame), L joints of the 2D layout.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from part_synth.apis import KeypointTracks
from part_synth.people import Boxes, FramePeople, WholeFrame, boxes_around, read_boxes
from part_synth.people.keypoint_files import keypoints_by_frame

from .sources import Source, VideoSource

# Pixels of the frames that are held at once: 16 of 1920 x 1080.
_PIXELS_AT_ONCE = 34e6
# What read_keypoints says, and what is not so here: people are tracked, or in pictures.
_BY_PLACE = " People in the same place of their frames' lists are taken as one person."


@dataclass
class PeopleRows:
    """People of all frames, in the order of the frames.

    Attributes:
        frames: (N,) int64.
        people: Their boxes (N, 4), scores, 2D joints (N, L, 2), ids where known.
        layout: Layout of the 2D joints.
        layout_said: Whether the layout is known rather than guessed.
        sizes: (width, height) px of each frame that was seen; one for all frames of a video.
        num_frames: Frames that were worked on.
        interrupted: Whether Ctrl-C ended it.
        notes: What was taken for granted, sentences.
    """

    frames: np.ndarray
    people: FramePeople
    layout: str = "coco"
    layout_said: bool = True
    sizes: list[tuple[int, int]] = field(default_factory=list)
    num_frames: int = 0
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)


def batches(frames: Iterator[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Frames in lists of at most ``size``, fewer of large pictures."""
    batch: list[np.ndarray] = []
    pixels = 0
    for frame in frames:
        batch.append(frame)
        pixels += frame.shape[0] * frame.shape[1]
        if len(batch) >= size or pixels >= _PIXELS_AT_ONCE:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def collect_with_models(source: Source, finder, boxes, batch_size: int, progress) -> PeopleRows:
    """Run the models over all frames, in batches.

    Args:
        source: Frames.
        finder: 2D or image model, see :class:`~part_synth.people.pose2d.Pose2D`.
        boxes: A detector, :class:`Boxes`, or None for models that need none.
        batch_size: Frames at once.
        progress: Called with the number of frames that are done.

    Returns:
        PeopleRows: Everybody. After Ctrl-C those of the frames before.
    """
    found: list[FramePeople] = []
    sizes: list[tuple[int, int]] = []
    interrupted = False
    whole = isinstance(boxes, WholeFrame) and finder.needs_boxes
    num_boxes = num_outside = 0
    frames = source.frames()
    try:
        for images in batches(frames, batch_size):
            given = None
            of_images = None
            if isinstance(boxes, Boxes):
                of_images, given, outside = _given_boxes(boxes, len(found), images)
                num_boxes += sum(map(len, of_images)) + outside
                num_outside += outside
            elif finder.needs_boxes:
                of_images = boxes.find(images)
            people = finder.find(images, of_images)
            if given is not None and boxes.person_ids is not None:
                for one, ids in zip(people, given, strict=True):
                    one.person_ids = ids
            for one in people if whole else ():
                # The same box in all frames: there is nothing to track.
                one.person_ids = np.zeros(len(one), dtype=np.int64)
            sizes += [(image.shape[1], image.shape[0]) for image in images]
            found += people
            progress(len(found))
    except KeyboardInterrupt:
        interrupted = True
        print_log(
            f"Interrupted: the {len(found)} frames that are done are finished and written.",
            "current",
            logging.WARNING,
        )
    finally:
        frames.close()
    rows = _concatenate(found)
    rows.layout, rows.num_frames = finder.layout, len(found)
    rows.sizes = sizes[:1] if source.is_video else sizes
    rows.interrupted = interrupted
    if whole:
        rows.notes.append(boxes.note)
    if num_outside:
        said = f"{num_outside} of {num_boxes} boxes lie outside of the picture and are dropped."
        _warn(rows.notes, said)
    return rows


def _warn(notes: list[str], sentence: str) -> None:
    """Say it now, and in the results."""
    notes.append(sentence)
    print_log(sentence, "current", logging.WARNING)


def _given_boxes(boxes: Boxes, start: int, images: Sequence[np.ndarray]):
    """Boxes (P, 5) inside of each picture, their ids, and how many are outside."""
    of_images, ids, outside = [], [], 0
    for number, image in enumerate(images, start):
        scored, of_image = boxes.of_frame(number)
        size = np.array([image.shape[1], image.shape[0]])
        inside = (scored[:, :2] < size).all(1) & (scored[:, 2:4] > 0).all(1)
        of_images.append(scored[inside])
        if of_image is not None:
            ids.append(of_image[inside])
        outside += int((~inside).sum())
    return of_images, ids, outside


def _concatenate(found: Sequence[FramePeople]) -> PeopleRows:
    counts = [len(one) for one in found]
    frames = np.repeat(np.arange(len(found)), counts)
    some = [one for one in found if len(one)]
    if not some:
        return PeopleRows(frames, FramePeople())
    parts = {
        name: np.concatenate([getattr(one, name) for one in some])
        for name in ("boxes", "box_scores", "keypoints", "scores")
    }
    for name in ("joints", "person_ids"):
        if getattr(some[0], name) is not None:
            parts[name] = np.concatenate([getattr(one, name) for one in some])
    return PeopleRows(frames, FramePeople(**parts))


def collect_from_file(
    source: Source, keypoints: str | Path | KeypointTracks, skeleton: str | None
) -> PeopleRows:
    """2D joints of a file for the frames of a source.

    Args:
        source: Frames; they are counted, not looked at.
        keypoints: File or folder for :func:`~part_synth.apis.read_keypoints`, or what it gave.
        skeleton: Layout, if the file does not tell.

    Returns:
        PeopleRows: Everybody; ids where the file has them.

    Raises:
        ValueError: The file has frames that the source does not have.
    """
    tracks = keypoints_by_frame(keypoints, skeleton)
    notes = [note.replace(_BY_PLACE, "") for note in tracks.assumptions]
    count, sizes = _count(source)
    frames, from_one = _frames_of_input(tracks.frames, count, "The keypoint file has")
    if from_one:
        notes.append("The frames of the keypoint file are taken as counted from 1.")
    known = tracks.num_frames - from_one
    if known < count:
        _warn(
            notes,
            f"The keypoint file ends after {known} frames, the input has {count}: nobody is in the "
            f"last {count - known}, or the two do not belong together.",
        )
    points, scores = tracks.keypoints, tracks.scores
    boxes = boxes_around(points, np.isfinite(points).all(-1) & (scores > 0))
    people = FramePeople(boxes, np.ones(len(boxes), np.float32), points, scores)
    if tracks.tracked or not source.is_video:
        people.person_ids = tracks.person_ids
    return PeopleRows(frames, people, tracks.layout, tracks.layout_said, sizes, count, False, notes)


def _count(source: Source) -> tuple[int, list[tuple[int, int]]]:
    """Number of frames, and their sizes (of a video one for all)."""
    if isinstance(source, VideoSource):
        return source.count(), [source.size]
    sizes = [(image.shape[1], image.shape[0]) for image in source.frames()]
    return len(sizes), sizes


def _frames_of_input(
    frames: np.ndarray, count: int, what: str, is_file: bool = True
) -> tuple[np.ndarray, bool]:
    """Numbers (N,) of frames from 0, and whether a file counts from 1; raise if too high."""
    from_one = bool(is_file and len(frames) and frames.max() == count and frames.min() >= 1)
    if len(frames) and not from_one and (frames.max() >= count or frames.min() < 0):
        raise ValueError(
            f"{what} frames {frames.min()} to {frames.max()}, the input only {count} (counted from "
            "0): do they belong together?"
        )
    return frames - from_one, from_one


def boxes_of(bboxes, source: Source) -> tuple[Boxes, list[str]]:
    """Boxes of a file, or of a list with an array (P, 4) or (P, 5) for each frame, as mmpose's.

    Args:
        bboxes: File, or list.
        source: What they are of.

    Returns:
        tuple[Boxes, list[str]]: Those, frames counted from 0; what was taken for granted.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There are boxes of frames that the source does not have, a list for pictures
            has another length, or an entry another shape.
    """
    is_file = isinstance(bboxes, str | Path)
    if is_file:
        bboxes = read_boxes(bboxes)
    elif not isinstance(bboxes, Boxes):
        bboxes = _listed_boxes(bboxes, None if source.is_video else source.num_frames)
    count = source.num_frames
    if isinstance(source, VideoSource) and bboxes.frames.max(initial=-1) >= count:
        # What a video announces need not be true.
        count = source.count()
    frames, from_one = _frames_of_input(bboxes.frames, count, "There are boxes of", is_file)
    notes = ["The frames of the boxes are taken as counted from 1."] if from_one else []
    return replace(bboxes, frames=frames), notes


def _listed_boxes(bboxes, num_frames: int | None) -> Boxes:
    arrays = [np.asarray(entry, dtype=np.float32) for entry in bboxes]
    arrays = [np.zeros((0, 4), np.float32) if a.size == 0 else a for a in arrays]
    if any(a.ndim != 2 or a.shape[1] not in (4, 5) for a in arrays):
        shapes = [a.shape for a in arrays if a.ndim != 2 or a.shape[1] not in (4, 5)]
        raise ValueError(
            "bboxes must be a list with an array (P, 4) of left, top, right, bottom for each "
            f"frame, or (P, 5) with scores, got {shapes[0]}."
        )
    if num_frames is not None and len(arrays) != num_frames:
        raise ValueError(f"bboxes has {len(arrays)} entries for {num_frames} frames.")
    frames = np.repeat(np.arange(len(arrays)), [len(a) for a in arrays])
    scores = [a[:, 4] if a.shape[1] == 5 else np.ones(len(a), np.float32) for a in arrays]
    empty = [np.zeros((0, 4), np.float32)]
    return Boxes(
        np.concatenate([a[:, :4] for a in arrays] or empty),
        frames,
        np.concatenate(scores or [np.zeros(0, np.float32)]),
    )
