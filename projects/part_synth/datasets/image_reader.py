"""Reading images: one place for the cache and for the message about a broken file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

_MIB = 1 << 20
# Marks of a JPEG file: its start, the start of pixels, its end.
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


class ImageReader:
    """Decodes images, optionally keeping what it read in memory.

    Every process (data loader worker) has a cache of its own, so with W workers the memory is W
    times ``cache_mib``. When the cache is full nothing is thrown out: with a shuffled order every
    image is equally likely to come next, so replacing one would gain nothing.

    Args:
        cache (str | None): None reads the file each time; ``'encoded'`` keeps the bytes of the
            file (about 4 KiB for a 128-pixel JPEG); ``'decoded'`` keeps the pixels (48 KiB), which
            is fastest.
        cache_mib (float): Limit of the cache in MiB per process.
        grayscale (bool): Read one channel, unchanged; for label images.

    Raises:
        ValueError: If ``cache`` is none of the three.
    """

    def __init__(
        self, cache: str | None = None, cache_mib: float = 1024.0, grayscale: bool = False
    ) -> None:
        if cache not in (None, "encoded", "decoded"):
            raise ValueError(f"`cache` must be None, 'encoded' or 'decoded', got {cache!r}.")
        self.cache = cache
        self.limit = int(cache_mib * _MIB)
        self.flag = cv2.IMREAD_UNCHANGED if grayscale else cv2.IMREAD_COLOR
        self._kept: dict[str, np.ndarray] = {}
        self._bytes = 0

    def __call__(self, path: str | Path) -> np.ndarray:
        """Read one image.

        Args:
            path (str | Path): File to read.

        Returns:
            np.ndarray: (H, W, 3) uint8 in OpenCV's BGR order, or (H, W) uint8 of a label image.
            Read-only when it comes from the cache.

        Raises:
            FileNotFoundError: If there is no such file.
            OSError: If it can't be decoded.
        """
        path = str(path)
        kept = self._kept.get(path)
        if kept is not None and self.cache == "decoded":
            return kept
        encoded = kept if kept is not None else read_bytes(path)
        image = _decode(encoded, self.flag, path)
        if kept is None and self.cache is not None:
            self._keep(path, image if self.cache == "decoded" else encoded)
        return image

    def _keep(self, path: str, array: np.ndarray) -> None:
        if self._bytes + array.nbytes <= self.limit:
            array.flags.writeable = False
            self._kept[path] = array
            self._bytes += array.nbytes

    def __getstate__(self) -> dict:
        """Workers begin with an empty cache: sending it through a pipe would cost more."""
        return {**self.__dict__, "_kept": {}, "_bytes": 0}


def read_bytes(path: str | Path) -> np.ndarray:
    """The bytes of an image file.

    Args:
        path (str | Path): File to read.

    Returns:
        np.ndarray: (n,) uint8.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    try:
        return np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no image {path}. Put it there, or take its frame out of the annotation "
            "file; tools/dataset_converters/validate.py lists all missing images."
        ) from None


def is_cut_short(encoded: np.ndarray) -> bool:
    """Whether the (n,) uint8 bytes of a JPEG file end before its pixels do.

    OpenCV fills what is missing with grey and says so on stderr alone.
    """
    data = encoded.tobytes()
    # A thumbnail in front has an end of its own.
    return data.startswith(_JPEG_START) and data.find(_JPEG_END, data.rfind(_JPEG_SCAN)) < 0


def decode_bytes(encoded: np.ndarray, flag: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """What OpenCV makes of the (n,) uint8 bytes of a file; None where it is damaged, or no image.

    OpenCV itself raises on an empty buffer, and takes a JPEG that is cut short.
    """
    return cv2.imdecode(encoded, flag) if encoded.size and not is_cut_short(encoded) else None


def _decode(encoded: np.ndarray, flag: int, path: str) -> np.ndarray:
    image = decode_bytes(encoded, flag)
    if image is None or image.dtype != np.uint8:
        raise OSError(
            f"The image {path} is corrupt: its {encoded.size} bytes can't be decoded to 8-bit "
            "pixels. Fetch or make it again, or take its frame out of the annotation file; "
            "tools/dataset_converters/validate.py lists all such images."
        )
    return image
