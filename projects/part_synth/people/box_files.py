"""Boxes of people from files: MOTChallenge's text, mmpose's JSON, NumPy archives.

Symbols: N boxes. Boxes are left, top, right, bottom in px.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Boxes:
    """Boxes in the order of their frames.

    Attributes:
        boxes: (N, 4) float32 px.
        frames: (N,) int64, from 0.
        scores: (N,) float32.
        person_ids: (N,) int64; None where they are not known.
    """

    boxes: np.ndarray
    frames: np.ndarray
    scores: np.ndarray
    person_ids: np.ndarray | None = None

    def __post_init__(self):
        shape = self.boxes.shape
        if self.boxes.ndim != 2 or shape[1] != 4 or not np.isfinite(self.boxes).all():
            raise ValueError(f"Boxes must be finite numbers (N, 4), got {shape}.")
        if (self.boxes[:, 2:] <= self.boxes[:, :2]).any():
            row = int(np.flatnonzero((self.boxes[:, 2:] <= self.boxes[:, :2]).any(1))[0])
            raise ValueError(
                "Boxes are (left, top, right, bottom) in pixels with right > left and bottom > "
                f"top, got {self.boxes[row].tolist()} in row {row}."
            )
        order = np.argsort(self.frames, kind="stable")
        self.boxes, self.frames = self.boxes[order], self.frames[order]
        self.scores = self.scores[order]
        if self.person_ids is not None:
            self.person_ids = self.person_ids[order]

    def of_frame(self, number: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The boxes of one frame.

        Args:
            number: Frame, from 0.

        Returns:
            (P, 5) boxes and scores, and (P,) int64 ids or None.
        """
        rows = slice(*np.searchsorted(self.frames, [number, number + 1]))
        boxes = np.concatenate([self.boxes[rows], self.scores[rows, None]], axis=1)
        return boxes, None if self.person_ids is None else self.person_ids[rows]


def read_boxes(path: str | Path) -> Boxes:
    """Read boxes of people.

    Known are MOTChallenge's text (``.txt``, ``.csv``: frame from 1, id or -1, left, top, width,
    height, score); JSON as mmpose writes it, a list of ``{"frame_id": 0, "instances": [{"bbox":
    [left, top, right, bottom], "bbox_score": 1.0, "track_id": 3}]}``, the last two not needed;
    ``.npz`` with ``boxes`` (N, 4), ``frames`` (N,) and, where known, ``scores`` and ``person_ids``.

    Args:
        path: File.

    Returns:
        Boxes: In the order of frames.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It can't be read; the message says why.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of boxes {path}.")
    readers = {".txt": _read_mot, ".csv": _read_mot, ".json": _read_json, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"Boxes are read from {', '.join(readers)} files, got {path}.")
    try:
        return reader(path)
    except (KeyError, TypeError, IndexError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} can't be read as boxes of people: {error}") from error


def _read_mot(path: Path) -> Boxes:
    table = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
    if table.size == 0:
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
    if table.shape[1] < 6:
        raise ValueError(f"a line has {table.shape[1]} numbers, 6 or more are expected.")
    boxes = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    ids = table[:, 1].astype(np.int64)
    scores = table[:, 6] if table.shape[1] > 6 else np.ones(len(table))
    frames = table[:, 0].astype(np.int64) - 1
    if (frames < 0).any():
        raise ValueError("frames of this format are counted from 1.")
    return Boxes(
        boxes.astype(np.float32),
        frames,
        scores.astype(np.float32),
        None if (ids < 0).any() else ids,
    )


def _read_json(path: Path) -> Boxes:
    data = json.loads(path.read_text(encoding="utf-8"))
    data = data.get("instance_info", data) if isinstance(data, dict) else data
    boxes, frames, scores, ids = [], [], [], []
    for place, entry in enumerate(data):
        for person in entry["instances"]:
            boxes.append(np.asarray(person["bbox"], dtype=np.float32).reshape(-1)[:4])
            frames.append(int(entry.get("frame_id", place)))
            scores.append(float(np.ravel(person.get("bbox_score", 1.0))[0]))
            ids.append(int(person.get("track_id", -1)))
    return Boxes(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(frames, dtype=np.int64),
        np.array(scores, dtype=np.float32),
        None if -1 in ids else np.array(ids, dtype=np.int64),
    )


def _read_npz(path: Path) -> Boxes:
    with np.load(path, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    missing = {"boxes", "frames"} - set(arrays)
    if missing:
        raise ValueError(f"the archive lacks {', '.join(sorted(missing))}.")
    count = len(arrays["boxes"])
    ids = arrays.get("person_ids")
    return Boxes(
        arrays["boxes"].astype(np.float32),
        arrays["frames"].astype(np.int64),
        arrays.get("scores", np.ones(count)).astype(np.float32),
        None if ids is None else ids.astype(np.int64),
    )
