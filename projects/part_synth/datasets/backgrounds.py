"""Temporal-median backgrounds of static cameras."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from part_synth.datasets.frame_index import FrameIndex
from part_synth.datasets.image_reader import ImageReader, read_bytes

# Part of the key of a stored background: raise it when the pixels would come out differently.
_VERSION = 1


def spread_frames(ids: np.ndarray, clips: np.ndarray, count: int) -> np.ndarray:
    """Choose frames spread evenly over all clips, and inside every clip over its length.

    Args:
        ids (np.ndarray): (N,) frames, sorted by clip and time.
        clips (np.ndarray): (N,) clip of every frame.
        count (int): How many to choose at most.

    Returns:
        np.ndarray: (min(N, count), rounded down to odd) of ``ids``. An odd number makes the median
        one of the values.
    """
    count = min(len(ids), count)
    count -= 1 - count % 2
    _, clip, sizes = np.unique(clips, return_inverse=True, return_counts=True)
    # Sorted by the relative place in the clip, equally spaced frames come from all clips alike.
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    by_clip = np.argsort(clip, kind="stable")
    place = np.empty(len(ids))
    place[by_clip] = (np.arange(len(ids)) - np.repeat(first, sizes) + 0.5) / np.repeat(sizes, sizes)
    order = np.argsort(place, kind="stable")
    chosen = np.floor((np.arange(count) + 0.5) * len(ids) / count).astype(np.int64)
    return np.sort(ids[order[chosen]])


def temporal_median(paths: list[Path], memory_mib: float = 256.0) -> np.ndarray:
    """Median over time of equally large images.

    The images are read once per horizontal band, as many bands as the memory limit asks for.

    Args:
        paths (list[Path]): T images, T odd.
        memory_mib (float): Limit of the decoded stack, MiB.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.

    Raises:
        ValueError: If the images differ in size, or there is none.
        OSError: If one can't be decoded.
    """
    if not paths:
        raise ValueError("the median of no image at all; give at least one.")
    read = ImageReader()
    shape = read(paths[0]).shape
    total = len(paths) * int(np.prod(shape))
    bands = min(max(int(np.ceil(total / (memory_mib * 2**20))), 1), shape[0])
    edges = np.linspace(0, shape[0], bands + 1).astype(int)
    median = np.empty(shape, dtype=np.uint8)
    for top, bottom in pairwise(edges):
        # Time last: the selection then runs along contiguous memory.
        stack = np.empty((bottom - top, *shape[1:], len(paths)), dtype=np.uint8)
        for t, path in enumerate(paths):
            image = read(path)
            if image.shape != shape:
                raise ValueError(
                    f"{path} has shape {image.shape}, but {paths[0]} of the same camera has "
                    f"{shape}. A median needs equally large frames; set `background=None`."
                )
            stack[..., t] = image[top:bottom]
        middle = len(paths) // 2
        stack.partition(middle, axis=-1)
        median[top:bottom] = stack[..., middle]
    return median


class MedianBackgrounds:
    """Backgrounds of the static cameras of a data set, computed when first asked for.

    Pictures that the data set brings itself (:meth:`FrameIndex.background_path`) are taken as they
    are. The others are kept in memory (up to a limit), and on disk as
    ``<root>/backgrounds/<name>_<key>.png``, where the key is a hash of the very bytes that the
    median is taken of: a stored picture is found again exactly if it would come out the same.

    Args:
        index (FrameIndex): The frames of the data set.
        max_frames (int): Frames that the median is taken of.
        directory (str | Path | None): Where to keep the pictures; default ``<root>/backgrounds``.
        cache_mib (float): Limit of the pictures in memory per process, MiB; further ones are read
            from disk each time.

    Raises:
        ValueError: If ``max_frames`` is not positive.
    """

    def __init__(
        self,
        index: FrameIndex,
        max_frames: int = 61,
        directory: str | Path | None = None,
        cache_mib: float = 512.0,
    ) -> None:
        if max_frames < 1:
            raise ValueError(f"`max_frames` must be at least 1, got {max_frames}.")
        self.index = index
        self.max_frames = max_frames
        self.directory = Path(directory) if directory else index.root / "backgrounds"
        self._groups = index.group_by("background", "clip", "camera")
        self._names = index.column("background")[self._groups.order[self._groups.offsets[:-1]]]
        self._paths: dict[str, Path] = {}
        self._read = ImageReader("decoded", cache_mib)
        # Only pictures that no disk takes.
        self._images: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        """The background of one camera.

        Args:
            name (str): A value of the ``background`` column of the sequence table.

        Returns:
            np.ndarray: (H, W, 3) uint8, BGR.

        Raises:
            KeyError: If no frame of the index has this background.
            ValueError: If the camera moves.
        """
        if name in self._images:
            return self._images[name]
        if name not in self._paths:
            path, median = self._find_or_compute(name)
            if path is None:
                self._images[name] = median
                return median
            self._paths[name] = path
        return self._read(self._paths[name])

    def frames_of(self, name: str) -> np.ndarray:
        """Frames that the median is taken of.

        Args:
            name (str): A value of the ``background`` column.

        Returns:
            np.ndarray: (T,) frames of the index, T odd.
        """
        groups = np.flatnonzero(self._names == name)
        if len(groups) == 0:
            known = ", ".join(sorted(set(self._names.tolist())))
            raise KeyError(f"no camera '{name}'; the data set has {known}.")
        ids = np.concatenate([self._groups[group] for group in groups])
        if self.index.column("moving")[ids].any():
            raise ValueError(
                f"The camera of '{name}' moves, so its frames have no common background. Set "
                "`background=None`, or leave these clips out."
            )
        return spread_frames(ids, self.index.sequence_id[ids], self.max_frames)

    def _find_or_compute(self, name: str) -> tuple[Path | None, np.ndarray | None]:
        """File of a background; or None and the picture, where it can't be written."""
        ids = self.frames_of(name)
        brought = self.index.background_path(name)
        if brought is not None:
            return brought, None
        paths = [self.index.image_path(i) for i in ids]
        digest = hashlib.blake2b(f"median {_VERSION}".encode(), digest_size=8)
        for path in paths:
            digest.update(read_bytes(path).tobytes())
        # Names of people and cameras may hold anything; the key tells them apart.
        safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
        target = self.directory / f"{safe}_{digest.hexdigest()}.png"
        if target.is_file():
            return target, None
        median = temporal_median(paths)
        try:
            _write_atomically(target, median)
        except OSError as error:
            print_log(
                f"Can't keep the background of '{name}' at {target} ({error}); it is computed "
                "again in every run.",
                logger="current",
                level=logging.WARNING,
            )
            return None, median
        return target, None


def _write_atomically(target: Path, image: np.ndarray) -> None:
    """Write a PNG so that no reader, at no moment, can see a part of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    encoded, data = cv2.imencode(".png", image)
    if not encoded:
        raise OSError(f"OpenCV can't encode an image of shape {image.shape}")
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.tobytes())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
