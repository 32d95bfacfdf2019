"""Embedded frames that can be searched, saved and read again.

Symbols: N frames, D numbers of an embedding, J = 17 joints.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from part_synth.retrieval.embedder import EmbedderInfo
from part_synth.retrieval.neighbours import ArrayLike, NeighbourIndex, Neighbours

_FORMAT = "part_synth pose gallery"
# 2: paths of pictures may be relative to the gallery.
_VERSION = 2
_HOW_TO_BUILD = "Build one with tools/build_gallery.py."
_TEXTS = ("img_path", "subject", "clip", "camera")
# Columns besides the embeddings: shape of a row and type.
_NUMBERS = {
    "crop_box": ((3,), np.float32),
    "time": ((), np.float64),
    "poses": ((17, 3), np.float32),
}


@dataclass
class PoseGallery:
    """N embedded frames.

    Attributes:
        embeddings: (N, D) float32.
        img_path: (N,) file of each image, absolute; :meth:`save` writes paths below the gallery's
            folder, or below the one around it, relative to the gallery, so that both can be moved.
        crop_box: (N, 3) centre x, centre y and side of what was embedded, px of the image.
        subject: (N,) person.
        clip: (N,) clip of the person.
        camera: (N,) camera.
        time: (N,) seconds in the clip.
        embedder: The model that embedded them.
        poses: (N, 17, 3) metres, camera frame, relative to the root, NaN where unknown; None
            where the data set has no poses.

    Raises:
        ValueError: There is no frame, columns differ in length or shape, or an embedding is not
            finite.
    """

    embeddings: np.ndarray
    img_path: np.ndarray
    crop_box: np.ndarray
    subject: np.ndarray
    clip: np.ndarray
    camera: np.ndarray
    time: np.ndarray
    embedder: EmbedderInfo
    poses: np.ndarray | None = None
    _index: NeighbourIndex | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.embeddings = np.ascontiguousarray(self.embeddings, dtype=np.float32)
        if self.embeddings.ndim != 2 or self.embeddings.size == 0:
            raise ValueError(
                "A gallery needs at least one frame: embeddings must be (N, D), got "
                f"{self.embeddings.shape}."
            )
        if not np.isfinite(self.embeddings).all():
            raise ValueError(
                "The gallery's embeddings hold NaN or infinite numbers: the model that made them "
                "has diverged."
            )
        for name in _TEXTS:
            self._set_column(name, (), np.str_)
        for name, (shape, dtype) in _NUMBERS.items():
            if name != "poses" or self.poses is not None:
                self._set_column(name, shape, dtype)

    def _set_column(self, name: str, shape: tuple[int, ...], dtype: type) -> None:
        value = np.asarray(getattr(self, name), dtype=dtype)
        wanted = (len(self.embeddings), *shape)
        if value.shape != wanted:
            raise ValueError(f"Gallery: {name} must have shape {wanted}, got {value.shape}.")
        setattr(self, name, value)

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(
        self, queries: ArrayLike, topk: int, fingerprint: str, backend: str = "auto"
    ) -> Neighbours:
        """The K nearest frames of each query; see :func:`~part_synth.retrieval.neighbours.search`.

        Args:
            queries: (Q, D) embeddings.
            topk: K, from 1 to N.
            fingerprint: Of the queries' model, from
                :func:`~part_synth.retrieval.embedder.model_fingerprint`.
            backend: ``'auto'``, ``'torch'`` or ``'faiss'``.

        Returns:
            Neighbours: Q rows.

        Raises:
            ValueError: The queries come from another model, or K is out of range.
        """
        self.embedder.check_same(fingerprint)
        if self._index is None or backend not in ("auto", self._index.backend):
            self._index = NeighbourIndex(self.embeddings, backend)
        return self._index.search(queries, topk)

    def save(self, path: str | Path) -> None:
        """Write an npz file; a broken-off write leaves the old file, or none.

        Args:
            path: File; its folder is made.

        Raises:
            ValueError: The name does not end in .npz.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"A gallery is saved as .npz, got the name {path}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if entry.name not in ("embedder", "_index")
        }
        columns["img_path"] = _relative_paths(self.img_path, path.resolve().parent)
        if self.poses is None:
            del columns["poses"]
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            # A handle, as NumPy adds .npz to names that lack it.
            with unfinished.open("wb") as file:
                np.savez_compressed(
                    file,
                    **columns,
                    embedder=np.array(self.embedder.to_json()),
                    format=np.array(_FORMAT),
                    version=np.array(_VERSION),
                )
            os.replace(unfinished, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                unfinished.unlink()

    @classmethod
    def load(cls, path: str | Path) -> PoseGallery:
        """Read what :meth:`save` wrote. Nothing in the file is ever executed.

        Args:
            path: File.

        Returns:
            PoseGallery: The frames.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is damaged, no gallery, or one of a later version.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"There is no gallery {path}. {_HOW_TO_BUILD}")
        content = _read_arrays(path)
        if str(content.pop("format", "")) != _FORMAT:
            raise ValueError(
                f"{path} is no pose gallery; it holds the arrays {sorted(content)}. {_HOW_TO_BUILD}"
            )
        try:
            version = int(content.pop("version"))
            if version > _VERSION:
                raise ValueError(f"it has version {version}, this package reads {_VERSION}")
            embedder = EmbedderInfo.from_json(str(content.pop("embedder")))
            content["img_path"] = _absolute_paths(content["img_path"], path.resolve().parent)
            return cls(**content, embedder=embedder)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"The gallery {path} can't be used: {str(error).rstrip('.')}. Build it again with "
                "tools/build_gallery.py."
            ) from error


def _relative_paths(paths: np.ndarray, folder: Path) -> np.ndarray:
    """Paths (N,) below ``folder`` or the folder around it, relative to ``folder``; others as given.

    A root directory around it would take in every path there is.
    """
    around = folder.parent if folder.parent != folder.parent.parent else folder
    inside, beside = (os.path.join(str(base), "") for base in (folder, around))

    def shorten(path: str) -> str:
        if path.startswith(inside):
            return path[len(inside) :]
        return os.path.join("..", path[len(beside) :]) if path.startswith(beside) else path

    return np.array([shorten(os.path.abspath(path)) for path in paths.tolist()], dtype=np.str_)


def _absolute_paths(paths: np.ndarray, folder: Path) -> np.ndarray:
    """Undo :func:`_relative_paths`; absolute paths stay as they are."""
    # join() drops the folder before an absolute path.
    joined = [os.path.normpath(os.path.join(folder, path)) for path in paths.tolist()]
    return np.array(joined, dtype=np.str_)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    # An .npy file gives an array, which is no context manager and has no files.
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) can't be read as a gallery: it is cut short or "
            f"not an npz file of plain arrays. {_HOW_TO_BUILD}"
        ) from error
