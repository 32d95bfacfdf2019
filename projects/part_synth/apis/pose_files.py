"""3D poses of files, as synthesis takes them.

Symbols: N poses, M those of a file.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

POSE_FILE_ENDINGS = (".npz", ".bvh")
"""Files of 3D poses; everything else is opened as pictures."""
# People and numbers of frames that a message lists, at most.
_MOST_LISTED = 10


def read_pose_file(path: str | Path, person: int | None = None, every: int = 1) -> np.ndarray:
    """3D poses of one person, or of nobody in particular, from a file.

    Args:
        path: An npz with ``joints`` (M, 17, 3), camera or body frame, in mm unless its ``units``
            are 'metres', as ``demo/inferencer_demo.py`` and ``tools/lift.py`` write it (rows that
            could not be lifted are left out); or unpaired poses, see
            :func:`part_synth.datasets.load_unpaired_poses`.
        person: Which of the file's ``person_ids``; None where it has one person, or names none.
        every: Take every n-th frame of the person, counted from the person's first; where the file
            has no frames, every n-th pose.

    Returns:
        (N, 17, 3) mm, in the order of the frames, for
        :func:`~part_synth.apis.synthesis_inputs.place_poses`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds something else, several people of whom none is chosen, or not the one
            who is.
    """
    from part_synth.datasets import load_unpaired_poses

    if every < 1:
        raise ValueError(f"every must be at least 1, got {every!r}.")
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no file of 3D poses {path}.")
    arrays = _lifted_arrays(path) if path.suffix.lower() == ".npz" else None
    if person is not None and (arrays is None or "person_ids" not in arrays):
        raise ValueError(f"{path} names no people; leave the person (--person) out.")
    if arrays is None:
        return load_unpaired_poses(path, split=None).numpy()[::every] * 1000.0
    count = len(arrays["joints"])
    ok = arrays.get("ok", np.ones(count, dtype=bool))
    if not ok.any():
        raise ValueError(f"{path} holds no pose that was lifted; give another file.")
    rows = np.flatnonzero(ok)
    rows = rows[_rows_of_person(arrays.get("person_ids"), rows, person, path)]
    frames = arrays.get("frames", np.arange(count))[rows]
    order = np.argsort(frames, kind="stable")
    rows, frames = rows[order], frames[order]
    rows = rows[(frames - frames[0]) % every == 0]
    scale = 1000.0 if str(arrays.get("units", "mm")) == "metres" else 1.0
    return arrays["joints"][rows] * scale


def _lifted_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What an npz says of lifted poses; None where it holds others."""
    wanted = ("joints", "ok", "person_ids", "frames", "units")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in wanted if name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} can't be read as an npz of plain arrays ({error}).") from error
    if "joints" not in arrays:
        return None
    shapes = {name: arrays[name].shape for name in wanted[1:4] if name in arrays}
    if arrays["joints"].ndim != 3 or any(s != arrays["joints"].shape[:1] for s in shapes.values()):
        raise ValueError(
            f"{path}: `joints` must be (N, 17, 3) and `ok`, `person_ids` and `frames` (N,), got "
            f"{arrays['joints'].shape} and {shapes}."
        )
    return arrays


def _rows_of_person(
    ids: np.ndarray | None, rows: np.ndarray, person: int | None, path: Path
) -> np.ndarray:
    """(N,) bool, which of ``rows`` (N,) show the person."""
    if ids is None:
        return np.ones(len(rows), dtype=bool)
    people, counts = np.unique(ids[rows], return_counts=True)
    if person is None and len(people) == 1:
        person = people[0]
    if person is None or person not in people:
        listed = [f"{p} ({c} poses)" for p, c in zip(people, counts, strict=True)]
        said = ", ".join(listed[:_MOST_LISTED]) + ", ..." * (len(listed) > _MOST_LISTED)
        problem = "several people" if person is None else f"no person {person}, but these"
        raise ValueError(f"{path} holds {problem}: {said}. Choose one by person=ID (--person ID).")
    return ids[rows] == person
