"""Webcams: frames as they come, each lifted with those before it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from part_synth.outputs import PoseSequence, VideoFile
from part_synth.people import BoxTracker, FramePeople, WholeFrame

from .collect import PeopleRows
from .drawing import SceneDrawing
from .lifting import to_sequence
from .results import show_picture
from .sources import WebcamSource

# Seconds of the past that a lifter reads when frames come live.
_LIVE_SECONDS = 2.0
_ESCAPE = 27


def run_live(
    source: WebcamSource,
    finder: object,
    detector: object,
    lifter: object,
    options: Mapping,
    parts: list[PoseSequence],
    vis_dir: Path | None = None,
    show: bool = False,
    codec: str = "auto",
) -> Iterator[dict]:
    """Lift and draw frames until the camera stops, Escape or Ctrl-C.

    Args:
        source: The camera.
        finder: 2D or image model.
        detector: What finds boxes; not used by models that need none.
        lifter: See :func:`~part_synth.inferencer.lifting.to_sequence`, as are the ``options``.
        options: More arguments of it.
        parts: Gets the poses of each frame.
        vis_dir: Folder for the video.
        show: Show the drawings in a window.
        codec: Of the video.

    Yields:
        dict: As :func:`~part_synth.inferencer.results.hand_over`.
    """
    tracker = BoxTracker(source.fps)
    whole = finder.needs_boxes and isinstance(detector, WholeFrame)
    keep = max(2, round(_LIVE_SECONDS * source.fps))
    window: deque[FramePeople] = deque(maxlen=keep)
    video = None
    if vis_dir is not None:
        video = VideoFile(vis_dir / f"{source.name}.mp4", source.fps, codec)
    try:
        for number, image in enumerate(source.frames()):
            boxes = detector.find([image]) if finder.needs_boxes else None
            people = finder.find([image], boxes)[0]
            people.person_ids = tracker.update(people.boxes, people.box_scores)
            window.append(people)
            rows = _window_rows(list(window), finder.layout, image)
            rows.notes += [detector.note] if whole else []
            sequence = to_sequence(rows, source, lifter, **options)
            now = sequence.part(len(window) - 1, len(window))
            parts.append(now)
            drawing = SceneDrawing(now).draw(image, 0) if video is not None or show else None
            if video is not None:
                video.write(drawing)
            if show and show_picture(source.name, drawing, 0.0, True) == _ESCAPE:
                break
            yield {
                "visualization": [] if drawing is None else [drawing],
                "predictions": [now.instances(0)],
                "meta_info": now.header() | {"num_frames": number + 1},
            }
    except KeyboardInterrupt:
        print_log("Interrupted: what was seen is written.", "current", logging.WARNING)
    finally:
        if video is not None:
            video.close()


def join_frames(parts: Sequence[PoseSequence]) -> PoseSequence:
    """One sequence of sequences of one frame each."""
    values = dict(parts[0].__dict__)
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            values[name] = np.concatenate([getattr(part, name) for part in parts])
    values["frames"] = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    values["num_frames"] = len(parts)
    return PoseSequence(**values)


def _window_rows(window: Sequence[FramePeople], layout: str, image: np.ndarray) -> PeopleRows:
    """Rows of the last frames, without boxes that are nobody's."""
    frames = np.repeat(np.arange(len(window)), [len(people) for people in window])
    some = [people for people in window if len(people)] or [FramePeople()]
    if some[0].person_ids is None:
        some[0].person_ids = np.zeros(0, dtype=np.int64)
    kept = np.concatenate([people.person_ids for people in some]) >= 0
    parts = {}
    for name in ("boxes", "box_scores", "keypoints", "scores", "joints", "person_ids"):
        if getattr(some[0], name) is not None:
            parts[name] = np.concatenate([getattr(people, name) for people in some])[kept]
    size = [(image.shape[1], image.shape[0])]
    return PeopleRows(
        frames[kept], FramePeople(**parts), layout, sizes=size, num_frames=len(window)
    )
