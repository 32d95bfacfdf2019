"""JSON in mmpose's shape, a table as CSV, arrays as NPZ.

Files are written beside their final name and then moved there: a broken-off write leaves no half
file.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from part_synth.geometry import H36M17

from .sequence import PoseSequence

# Characters; the numbers of 100,000 people are far below.
_LONGEST_HEADER = 2**24


@contextlib.contextmanager
def whole_file(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Open a file that gets its name only when all is written; its folder is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    options = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with unfinished.open(mode, **options) as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: str | Path, sequence: PoseSequence) -> Path:
    """Write what mmpose's demos save, with a header.

    ``{"meta_info": header, "instance_info": [{"frame_id": 0, "instances": [...]}, ...]}``, one
    entry for every frame of the input; see :meth:`PoseSequence.header` and
    :meth:`PoseSequence.instances`. Frames are written one by one.

    Args:
        path: File; its folder is made.
        sequence: Poses.

    Returns:
        Path: The file.
    """
    with whole_file(path) as file:
        file.write(f'{{"meta_info": {json.dumps(sequence.header(), allow_nan=False)},\n')
        file.write('"instance_info": [')
        for frame in range(sequence.num_frames):
            entry: dict = {"frame_id": frame}
            if sequence.names:
                entry["name"] = sequence.names[frame]
            entry["instances"] = sequence.instances(frame)
            file.write(",\n" if frame else "\n")
            file.write(json.dumps(entry, allow_nan=False))
        file.write("\n]}\n")
    return Path(path)


def write_csv(path: str | Path, sequence: PoseSequence) -> Path:
    """Write a table with a row for each pose; units are in the names of the columns.

    Args:
        path: File; its folder is made.
        sequence: Poses; those that could not be lifted are left out.

    Returns:
        Path: The file.
    """
    columns = ["frame", "time_s", "person_id"]
    columns += ["name"] if sequence.names else []
    if sequence.root is not None:
        columns += [f"root_position_{axis}_mm" for axis in "xyz"]
    columns += [f"{joint}_{axis}_mm" for joint in H36M17.joint_names for axis in "xyz"]
    columns += [f"{joint}_{axis}_px" for joint in H36M17.joint_names for axis in "uv"]
    with whole_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for i in np.flatnonzero(sequence.ok):
            frame = int(sequence.frames[i])
            time = "" if sequence.fps is None else f"{frame / sequence.fps:.6f}"
            row = [frame, time, int(sequence.person_ids[i])]
            row += [sequence.names[frame]] if sequence.names else []
            if sequence.root is not None:
                row += _cells(sequence.root[i])
            writer.writerow(row + _cells(sequence.joints[i]) + _cells(sequence.keypoints[i]))
    return Path(path)


def _cells(values: np.ndarray) -> list[str]:
    """Numbers with two digits; an empty cell for what is not finite."""
    return [f"{value:.2f}" if np.isfinite(value) else "" for value in values.reshape(-1)]


def write_npz(path: str | Path, sequence: PoseSequence) -> Path:
    """Write arrays; the file is read without pickle, its header is ``json.loads(str(header))``.

    Args:
        path: File; its folder is made.
        sequence: Poses.

    Returns:
        Path: The file.
    """
    arrays = {
        "joints": sequence.joints,
        "ok": sequence.ok,
        "keypoints": sequence.keypoints,
        "scores": sequence.scores,
        "boxes": sequence.boxes,
        "box_scores": sequence.box_scores,
        "person_ids": sequence.person_ids,
        "frames": sequence.frames,
        "filled": sequence.filled,
        "joint_names": np.array(H36M17.joint_names),
        "parents": np.array(H36M17.parents),
        "names": np.array(sequence.names, dtype=np.str_),
        "header": np.array(json.dumps(sequence.header(), allow_nan=False)),
    }
    if sequence.root is not None:
        arrays["root"] = sequence.root
    with whole_file(path, "wb") as file:
        np.savez_compressed(file, **arrays)
    return Path(path)


def read_source(path: str | Path) -> str | None:
    """What a file of :func:`write_json` or :func:`write_npz` holds the poses of.

    Args:
        path: A ``.json`` or ``.npz`` file; its poses are not read.

    Returns:
        str: ``source`` of its header; None where the file is of another kind.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                header = json.loads(str(arrays["header"]))
        else:
            with path.open(encoding="utf-8") as file:
                # The first line holds the header and nothing else.
                line = file.readline(_LONGEST_HEADER)
            header = json.loads(line.rstrip(",\n") + "}")["meta_info"]
        return str(header["source"])
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
        return None
