"""Frames of a video file with their times, one after the other.

Rotation flags are respected. Times are the file's own, so that a rate that varies does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

ENDINGS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mts", ".ts")
DEFAULT_FPS = 25.0
"""Taken where a file or camera does not tell its rate."""
_FASTEST_FPS = 1000.0


@dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        number: Its place in the file, from 0.
        time: Seconds since the first frame.
        image: (H, W, 3) uint8 BGR, upright.
        scale: Its size over that of the file's frame.
    """

    number: int
    time: float
    image: np.ndarray
    scale: float


class VideoReader:
    """A video that is read as often as wanted, never as a whole.

    Args:
        path: Any file that OpenCV reads.
        fps: Frames per second to take at most; None takes every frame.
        max_side: Larger frames are made smaller, until their longer side is so many px; None leaves
            them as they are.
        min_side: Smaller frames are refused, px.

    Attributes:
        size: (width, height) px of the frames that come out, upright.
        announced: Frames that the file says it has; 0 where it does not say.
        decoded: Frames that could be decoded; None before the first reading to the end.
        rate: Frames per second that the file says it has; of a variable rate the mean.
        notes: What is uncertain about the file, sentences.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no video, holds no frame, or its frames are too small.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | None = None,
        max_side: int | None = None,
        min_side: int = 1,
    ) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self.decoded: int | None = None
        capture = self._open()
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        self.announced = int(max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0))
        good, first = capture.read()
        capture.release()
        if not good:
            raise ValueError(
                f"The video {path} holds no frame that can be decoded; record or copy it again."
            )
        if not (np.isfinite(rate) and 0 < rate <= _FASTEST_FPS):
            self._note(
                f"The video does not tell its frame rate ({rate:g}); {DEFAULT_FPS:g} frames per "
                "second are taken."
            )
            rate = DEFAULT_FPS
        height, width = first.shape[:2]
        if min(height, width) < min_side:
            raise ValueError(
                f"The frames of {path} have {width} x {height} px; people can be seen in "
                f"{min_side} x {min_side} and more."
            )
        self.rate = rate
        self.scale = 1.0 if max_side is None else min(1.0, max_side / max(height, width))
        self.size = (max(round(width * self.scale), 1), max(round(height * self.scale), 1))
        self._period = 1 / rate if fps is None else max(1 / fps, 1e-9)
        self._every = fps is None
        # Frames of 30 per second are 33 or 34 ms apart in many files.
        self._early = min(0.1 * self._period, 0.5 / rate)

    @property
    def sampled_rate(self) -> float:
        """Frames per second that come out, about."""
        return self.rate if self._every else min(self.rate, 1 / self._period)

    def frames(self) -> Iterator[VideoFrame]:
        """Read from the beginning; the same frames come each time."""
        capture = self._open()
        try:
            yield from self._frames(capture)
        finally:
            capture.release()

    def count(self) -> int:
        """Number of frames that can be decoded, without turning them into pictures."""
        capture = self._open()
        number = 0
        while capture.grab():
            number += 1
        capture.release()
        self._set_decoded(number)
        return number

    def _frames(self, capture: cv2.VideoCapture) -> Iterator[VideoFrame]:
        number, first, last, wanted = 0, 0.0, 0.0, 0.0
        while capture.grab():
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = stamp if number == 0 else first
            time = stamp - first
            if number and not time > last:
                self._note("Frames without times of their own are taken as evenly spaced.")
                time = last + 1 / self.rate
            last = time
            if self._every or time >= wanted - self._early:
                good, image = capture.retrieve()
                if not good:
                    break
                wanted = max(wanted + self._period, time + 0.5 * self._period)
                yield VideoFrame(number, time, self._resized(image), self.scale)
            number += 1
        self._set_decoded(number)

    def _set_decoded(self, number: int) -> None:
        self.decoded = number
        if number < self.announced:
            self._note(
                f"The video announces {self.announced} frames, {number} could be decoded: it may "
                "be cut short."
            )

    def _resized(self, image: np.ndarray) -> np.ndarray:
        if image.shape[1::-1] == self.size:
            return image
        return cv2.resize(image, self.size, interpolation=cv2.INTER_AREA)

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _open(self) -> cv2.VideoCapture:
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no video {self.path}.")
        capture = _quiet_capture(self.path)
        if not capture.isOpened():
            raise ValueError(
                f"{self.path} ({self.path.stat().st_size} bytes) can't be read as a video: it is "
                "none, or it is cut short and its table of frames is missing. Copy or record it "
                "again."
            )
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        return capture


def _quiet_capture(path: Path) -> cv2.VideoCapture:
    """Open a video file with ffmpeg, without OpenCV's own words on the screen."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)


def find_videos(paths: list[str | Path]) -> list[Path]:
    """Files, and the videos in folders (by their endings, not in folders below).

    Args:
        paths: Files and folders.

    Returns:
        list[Path]: Absolute, in the order given; those of a folder by name.

    Raises:
        FileNotFoundError: There is no such file or folder, or a folder holds no video.
    """
    found: list[Path] = []
    for path in (Path(entry).expanduser().resolve() for entry in paths):
        if path.is_dir():
            inside = sorted(f for f in path.iterdir() if f.suffix.lower() in ENDINGS)
            if not inside:
                below = (f.parent for f in path.rglob("*") if f.suffix.lower() in ENDINGS)
                folder = next(below, None)
                hint = "" if folder is None else f", such as {folder}, which holds some"
                raise FileNotFoundError(
                    f"The folder {path} holds no video ({', '.join(ENDINGS)}). Folders in it are "
                    f"not searched; name the files, or their folder{hint}."
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(f"There is no video {path}.")
    return list(dict.fromkeys(found))
