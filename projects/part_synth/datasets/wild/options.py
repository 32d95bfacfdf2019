"""What is asked of :func:`~part_synth.datasets.wild.prepare_videos`, and what it answers.

Symbols: P people of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from part_synth.datasets.video_reader import VideoFrame
from part_synth.datasets.wild.clips import ClipRules
from part_synth.people import FramePeople


class Finder(Protocol):
    """Says where people are; see :mod:`part_synth.datasets.wild.people`."""

    margin: float
    bounds_people: bool

    def find(self, frame: VideoFrame) -> FramePeople:
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
