"""Pictures for Python calls: arrays, files, folders and videos, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from part_synth.apis.inference import checked_picture

Picture: TypeAlias = str | Path | np.ndarray
Pictures: TypeAlias = Picture | Sequence[Picture]

# Of a median: more frames change little.
_MEDIAN_FRAMES = 61
# Rows of a picture at a time, which bounds the memory that the sorting takes.
_BAND = 32


def iterate_pictures(pictures: Pictures) -> Iterator[np.ndarray]:
    """Give pictures one by one, so that a long video needs no memory.

    Args:
        pictures: (H, W, 3) uint8 RGB arrays, files, folders or videos, one or several; or an array
            (N, H, W, 3).

    Yields:
        (H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: There is no such file, or no picture in the folder.
        ValueError: One can't be read, or an array is no picture.
    """
    # Imported here: the inferencer needs this package.
    from part_synth.inferencer.sources import open_source

    if isinstance(pictures, str | Path):
        path = Path(pictures).expanduser()
        # What is no file would be taken for the number of a webcam.
        if not path.exists():
            raise FileNotFoundError(f"There is no picture, folder or video {path}.")
        for frame in open_source(path).frames():
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        return
    if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
        pictures = [pictures]
    # Pictures may be gone through twice, which an iterator would not survive.
    if not isinstance(pictures, np.ndarray | Sequence):
        raise ValueError(
            "Pictures are (H, W, 3) uint8 RGB arrays, files, folders or videos, one or a list of "
            f"them, got a {type(pictures).__name__}."
        )
    for picture in pictures:
        if isinstance(picture, str | Path):
            yield from iterate_pictures(picture)
        else:
            yield checked_picture(picture, "A picture")


def median_picture(pictures: Pictures) -> np.ndarray:
    """The empty scene of a camera that stands still: the median over time.

    Args:
        pictures: Pictures of one size; up to 61 of them are taken, spread evenly.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: See :func:`iterate_pictures`.
        ValueError: There are fewer than three, in which a person would stay, or they differ in
            size.
    """
    count = sum(1 for _ in iterate_pictures(pictures))
    step = max(1, -(-count // _MEDIAN_FRAMES))
    chosen = list(islice(iterate_pictures(pictures), 0, None, step))
    shapes = {picture.shape for picture in chosen}
    if len(chosen) < 3 or len(shapes) != 1:
        raise ValueError(
            "The median of a scene needs at least 3 pictures of one camera, all of one size, got "
            f"{len(chosen)} of the sizes {sorted(shapes)}."
        )
    median = np.empty_like(chosen[0])
    for top in range(0, len(median), _BAND):
        band = np.stack([picture[top : top + _BAND] for picture in chosen])
        median[top : top + _BAND] = np.partition(band, len(chosen) // 2, axis=0)[len(chosen) // 2]
    return median
