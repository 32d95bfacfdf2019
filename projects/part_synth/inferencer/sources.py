"""Where frames come from: a picture, a folder of pictures, a video, a webcam.

Frames are (H, W, 3) uint8 BGR, as OpenCV reads them and mmpose's and mmdet's pipelines take them;
rotation flags of files are respected, grey pictures get three channels, alpha is dropped.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from part_synth.datasets.image_reader import decode_bytes
from part_synth.datasets.video_reader import DEFAULT_FPS, VideoReader

_PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}


class PictureSource:
    """Pictures, each by itself.

    Args:
        pictures: Files, or arrays (H, W), (H, W, 3) or (H, W, 4) uint8, BGR.
        name: Name of the whole, for files of results.
        folder: The folder that they are, if they are one.

    Attributes:
        origin: What the results are of: the absolute path, or a name where there is none.
        origins: The same of each picture.
    """

    is_video = False
    fps: float | None = None

    def __init__(
        self,
        pictures: Sequence[str | Path | np.ndarray],
        name: str,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.pictures = list(pictures)
        self.names = tuple(
            f"{i:08d}.jpg" if isinstance(picture, np.ndarray) else Path(picture).name
            for i, picture in enumerate(self.pictures)
        )
        self.origins = tuple(
            name if isinstance(picture, np.ndarray) else str(Path(picture).resolve())
            for picture in self.pictures
        )
        self.origin = self.origins[0] if len(self.origins) == 1 else name
        if folder is not None:
            self.origin = str(folder.resolve())
        self.num_frames = len(self.pictures)
        self.notes: list[str] = []

    def frames(self) -> Iterator[np.ndarray]:
        """The pictures."""
        for picture in self.pictures:
            yield _array(picture) if isinstance(picture, np.ndarray) else _read(Path(picture))


class VideoSource:
    """A video file; every pass decodes it anew, so that no frames are kept.

    Args:
        path: Any file that OpenCV reads.

    Attributes:
        fps: Frames per second; of files with a variable rate the mean.
        num_frames: What the file announces; what was decoded after a pass over it.
        notes: What is uncertain about the file, sentences.
        origin: Its absolute path.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no video, is cut short, or holds no frame.
    """

    is_video = True

    def __init__(self, path: str | Path) -> None:
        self._reader = VideoReader(path)
        self.path = self._reader.path
        self.name = self.path.stem
        self.origin = str(self.path.resolve())
        self.names: tuple[str, ...] = ()
        self.fps: float | None = self._reader.rate
        self.num_frames = self._reader.announced
        self.size = self._reader.size

    @property
    def notes(self) -> list[str]:
        """Sentences."""
        return self._reader.notes

    def frames(self) -> Iterator[np.ndarray]:
        """Decode from the beginning."""
        with contextlib.closing(self._reader.frames()) as frames:
            for frame in frames:
                yield frame.image
        self._end(self._reader.decoded)

    def count(self) -> int:
        """Number of frames that can be decoded, without turning them into pictures."""
        return self._end(self._reader.count())

    def _end(self, decoded: int) -> int:
        """Take over how many frames there were; say once where some are missing."""
        if decoded < self.num_frames:
            print_log(f"{self.path}: {self.notes[-1]}", "current", logging.WARNING)
        self.num_frames = decoded
        return decoded


class WebcamSource:
    """A camera; it can be read once.

    Args:
        index: Number of the camera, from 0.

    Raises:
        ValueError: There is no such camera.
    """

    is_video = True
    num_frames = 0

    def __init__(self, index: int) -> None:
        self.name = self.origin = f"webcam{index}"
        self.names: tuple[str, ...] = ()
        self.notes: list[str] = []
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(index)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise ValueError(
                f"There is no webcam {index}, or another program uses it. Cameras are counted from "
                "0; on Linux they are /dev/video0, /dev/video1, ..."
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = float(fps) if np.isfinite(fps) and fps > 0 else DEFAULT_FPS

    def frames(self) -> Iterator[np.ndarray]:
        """Frames as they come, until the camera stops."""
        try:
            while True:
                good, image = self._capture.read()
                if not good:
                    break
                yield image
        finally:
            self._capture.release()


Source = PictureSource | VideoSource | WebcamSource


def open_source(inputs) -> Source:
    """Tell pictures, videos and webcams apart.

    Args:
        inputs: A file or folder; 'webcam', 'webcam:1' or the number of a camera; a picture (H, W),
            (H, W, 3) or (H, W, 4) uint8, BGR; a list of pictures or of their files.

    Returns:
        Source: Open to be read.

    Raises:
        FileNotFoundError: There is no such file, or no picture in the folder.
        ValueError: It can't be read.
    """
    if isinstance(inputs, np.ndarray):
        _array(inputs)
        return PictureSource([inputs], "picture")
    if isinstance(inputs, list | tuple):
        if not inputs:
            raise ValueError("inputs is an empty list; give at least one picture.")
        return PictureSource(inputs, "pictures")
    text = str(inputs)
    webcam = re.fullmatch(r"(?:webcam:?)?(\d*)", text.lower())
    if webcam and text and not Path(text).exists():
        return WebcamSource(int(webcam[1] or 0))
    path = Path(text).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"There is no file or folder {path}. Give a picture, a folder of pictures, a video, or "
            "the number of a webcam."
        )
    if path.is_dir():
        return _open_folder(path)
    if path.suffix.lower() in _PICTURES:
        _read(path)
        return PictureSource([path], path.stem)
    return VideoSource(path)


def _open_folder(path: Path) -> PictureSource:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in _PICTURES)
    good = [file for file in files if cv2.haveImageReader(str(file))]
    if not good:
        raise FileNotFoundError(
            f"The folder {path} holds no picture that can be read ({len(files)} with a picture's "
            f"name). Known are {', '.join(sorted(_PICTURES))}."
        )
    if len(good) < len(files):
        bad = next(file for file in files if file not in good)
        print_log(
            f"{len(files) - len(good)} pictures of {path} can't be read and are left out, such as "
            f"{bad.name}.",
            "current",
            logging.WARNING,
        )
    return PictureSource(good, path.resolve().name, path)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"There is no picture {path}.")
    image = decode_bytes(np.fromfile(path, dtype=np.uint8))
    if image is None:
        raise ValueError(f"{path} can't be read as a picture: it is damaged, or none.")
    return image


def _array(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) of a grey, colour or colour-and-alpha picture."""
    shape = picture.shape
    channels = shape[2] if picture.ndim == 3 else 1
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ValueError(
            "A picture must be (H, W), (H, W, 3) or (H, W, 4) uint8, BGR, got "
            f"{shape} {picture.dtype}."
        )
    if 0 in shape:
        raise ValueError(f"The picture is empty: {shape}.")
    if channels == 1:
        return cv2.cvtColor(picture.reshape(shape[:2]), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(picture[..., :3])
