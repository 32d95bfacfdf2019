"""Videos that play in other programs: one size, one rate, a known codec."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from .h264 import H264Writer, ffmpeg_with_h264

CODECS = {
    "avc1": "H.264",
    "mp4v": "MPEG-4 part 2",
    "vp09": "VP9",
}
"""Codecs by the four letters that OpenCV takes; 'auto' tries the first two.

Browsers play H.264 and VP9. H.264 is written by imageio-ffmpeg: OpenCV from PyPI has no encoder of
it, and that of VP9 is slow."""
_AUTO = ("avc1", "mp4v")
# A rate that a player can do something with.
_DEFAULT_FPS = 25.0
_FASTEST = 1000.0
_LEAST_SIDE = 16  # px; encoders refuse less


class VideoFile:
    """A video file that frames are written to one by one.

    All frames are brought to the size of the first one, made even, with white bars where the
    proportions differ. The file is whole after :meth:`close`, also when not all frames came.

    Args:
        path: File, ``.mp4``; its folder is made.
        fps: Frames per second; what is no usable number becomes 25.
        codec: 'auto', or one of :data:`CODECS`.

    Raises:
        ValueError: The ending or the codec is unknown.

    Example::

        with VideoFile("out.mp4", fps=30) as video:
            for frame in frames:
                video.write(frame)
    """

    def __init__(self, path: str | Path, fps: float | None, codec: str = "auto") -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"Videos are written as .mp4, got the name {path}.")
        if codec != "auto" and codec not in CODECS:
            raise ValueError(f"codec must be 'auto' or one of {', '.join(CODECS)}, got {codec!r}.")
        usable = fps is not None and np.isfinite(fps) and 0 < fps <= _FASTEST
        self.fps = float(fps) if usable else _DEFAULT_FPS
        self.frames = 0
        self.codec: str | None = None
        self._wanted = codec
        self._writer: H264Writer | _OpenCVWriter | None = None
        self._size = (0, 0)

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def write(self, image: np.ndarray) -> None:
        """Add a frame.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            ValueError: The image is something else.
            OSError: No codec can write here.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"Frames must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
        if self._writer is None:
            self._open(image)
        self._writer.write(fit(image, self._size))
        self.frames += 1

    def close(self) -> None:
        """Finish the file. A video without frames leaves none."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _open(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        self._size = tuple(max(_LEAST_SIDE, side + side % 2) for side in (width, height))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for codec in _AUTO if self._wanted == "auto" else (self._wanted,):
            self._writer = self._writer_of(codec)
            if self._writer is not None:
                self.codec = codec
                break
        if self._writer is None:
            raise OSError(
                f"The video {self.path} can't be written ({self._size[0]} x {self._size[1]} px, "
                f"codec {self._wanted}). Is the folder writable? H.264 needs the package "
                "imageio-ffmpeg; codec='mp4v' is always there."
            )
        advice = ""
        if self.codec == "mp4v":
            advice = (
                " Browsers do not play it. For H.264, which they do: pip install imageio-ffmpeg"
            )
        print_log(
            f"{self.path} is written as {CODECS[self.codec]} ({self.codec}).{advice}",
            logger="current",
            level=logging.INFO,
        )

    def _writer_of(self, codec: str) -> H264Writer | _OpenCVWriter | None:
        """What writes this codec here, or None."""
        if codec == "avc1" and ffmpeg_with_h264() is not None:
            return H264Writer(self.path, self.fps, self._size)
        with _quiet():
            writer = cv2.VideoWriter(
                str(self.path), cv2.VideoWriter_fourcc(*codec), self.fps, self._size
            )
        return _OpenCVWriter(writer) if writer.isOpened() else None


class _OpenCVWriter:
    """OpenCV's writer, called as :class:`H264Writer` is."""

    def __init__(self, writer: cv2.VideoWriter) -> None:
        self._writer = writer

    def write(self, image: np.ndarray) -> None:
        self._writer.write(np.ascontiguousarray(image[..., ::-1]))

    def close(self) -> None:
        self._writer.release()


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring an image to a size, keeping its proportions; white bars fill the rest.

    Args:
        image: (H, W, 3) uint8.
        size: (width, height) px.

    Returns:
        (height, width, 3) uint8; the image itself if it has this size.
    """
    height, width = image.shape[:2]
    if (width, height) == tuple(size):
        return image
    # A column or row more is no reason to resample.
    scale = min(size[0] / width, size[1] / height)
    if not (width <= size[0] <= width + 1 and height <= size[1] <= height + 1):
        width = max(1, min(size[0], round(width * scale)))
        height = max(1, min(size[1], round(height * scale)))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    canvas = np.full((size[1], size[0], 3), 255, np.uint8)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV and FFmpeg, which writes to the file 2, from telling of codecs not there."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
        cv2.utils.logging.setLogLevel(level)
