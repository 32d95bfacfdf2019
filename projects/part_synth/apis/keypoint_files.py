"""2D keypoints from the files of mmpose, OpenPose and AlphaPose, and from NumPy files.

Symbols: N people in frames, L joints, P people in the file.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from part_synth.geometry.keypoint_layouts import keypoint_layout, layouts_of_size

# A number of joints that several layouts have is taken as the most common one's.
_COMMON_LAYOUTS = {17: "coco"}
_DEFAULT_JOINTS = 17
# What tells the entries of a list apart: frames of mmpose, its dumped results, AlphaPose's people.
_LIST_KEYS = ("instances", "predictions", "image_id")
_ID_KEYS = ("track_id", "person_id", "idx")
# What a NumPy archive may call its arrays.
_ARRAY_KEYS = {
    "keypoints": ("keypoints", "keypoints_2d", "points"),
    "scores": ("scores", "keypoint_scores"),
    "person_ids": ("person_ids", "track_ids"),
    "frames": ("frames", "frame_ids"),
}


# How .npz files (zip archives, empty ones too) and .npy files begin.
_NUMPY_MARKS = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")


@dataclass
class KeypointTracks:
    """2D keypoints of people in the frames of a video, or in pictures.

    Attributes:
        keypoints: (N, L, 2) float32, px; NaN where a frame has nobody.
        scores: (N, L) float32; 0 where a joint was not found.
        frames: (N,) int64 number of the frame.
        person_ids: (N,) int64; the same number is the same person.
        layout: Name of the layout, as the file says or its number of joints suggests; None where
            neither tells.
        layout_said: Whether the file says so.
        assumptions: What was taken for granted, in sentences.
        tracked: Whether ``person_ids`` are the file's; False where only places in lists were there.
        num_frames: Number of the file's last frame and one more, also where it has nobody; None =
            up to the last one of ``frames``.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    frames: np.ndarray
    person_ids: np.ndarray
    layout: str | None = None
    layout_said: bool = False
    assumptions: list[str] = field(default_factory=list)
    tracked: bool = True
    num_frames: int | None = None


@dataclass
class _Person:
    """One person of one frame, as a file has it."""

    frame: int
    keypoints: np.ndarray  # (L, 3) x, y, score
    identity: int | None
    place: int  # in the frame's list


@dataclass
class _Content:
    """What a file holds: its frames, also those with nobody, and the people."""

    frames: list[int] = field(default_factory=list)
    people: list[_Person] = field(default_factory=list)
    layout: str | None = None


def read_keypoints(path: str | Path, person: str | None = None) -> KeypointTracks:
    """Read 2D keypoints.

    Known are:

    - mmpose: the JSON file or folder that ``MMPoseInferencer(...)(..., pred_out_dir=...)`` writes,
      its results dumped (``{'predictions': [[person, ...], ...]}``, or a list of these), and what
      the demos write with ``--save-predictions`` (``meta_info`` and ``instance_info``);
    - OpenPose: the folder that ``--write_json`` writes, a file for each frame, or one of its files;
    - AlphaPose: its ``alphapose-results.json``; also COCO's format of results;
    - ``.npy`` with keypoints (N, L, 2), or (N, L, 3) with scores; ``.npz`` with ``keypoints`` and,
      where there are, ``scores`` (N, L), ``person_ids`` (N,), ``frames`` (N,) and ``layout``.

    A file has identities if each person has a ``track_id``, ``person_id`` or ``idx`` and nobody's
    occurs twice in a frame. Where some have, ``assumptions`` says why they are not used.

    Args:
        path: File, or folder with one JSON file per frame.
        person: 'all' for everybody; without identities in the file, people in the same place of
            their frames' lists then count as one. 'largest' for one row for each frame: the person
            with the largest box around the found joints; NaN where there is nobody. None = 'all'
            with identities in the file, else 'largest'. Has no meaning for NumPy files.

    Returns:
        KeypointTracks: The keypoints, by person and frame of the file in the file's order.

    Raises:
        FileNotFoundError: There is no such file, or no JSON file in the folder.
        ValueError: The file is damaged or holds something else, or ``person`` is another word.
    """
    path = Path(path)
    if person not in (None, "all", "largest"):
        raise ValueError(f"person must be 'all', 'largest' or None, got {person!r}.")
    if not path.exists():
        raise FileNotFoundError(
            f"There is no keypoint file {path}. Give a .json, .npz or .npy file, or a folder with "
            "a JSON file for each frame."
        )
    if path.is_dir():
        return _select(_read_folder(path), person, path)
    if path.suffix in (".npz", ".npy"):
        return _read_arrays(path)
    return _select(_parse(_load_json(path), path), person, path)


def _load_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            f"{path} can't be read as JSON ({error}): it is cut short or another kind of file. "
            "Keypoints are read from .json, .npz and .npy files."
        ) from error


def _read_folder(folder: Path) -> _Content:
    """A folder of OpenPose's or mmpose's, one file for each frame."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        others = sorted(p.name for p in folder.iterdir())
        found = f"{len(others)} other files such as {others[0]}" if others else "nothing"
        raise FileNotFoundError(
            f"{folder} holds no JSON file of keypoints but {found}. Give a folder with one JSON "
            "file for each frame, or a single file."
        )
    content = _Content()
    numbers = _frame_numbers([path.stem for path in paths])
    for path, number in sorted(zip(paths, numbers, strict=True), key=lambda pair: pair[1]):
        one = _parse(_load_json(path), path)
        if len(one.frames) > 1:
            raise ValueError(
                f"{path} holds {len(one.frames)} frames; the files of a folder must hold one "
                "each. Give the file itself."
            )
        content.frames.append(number)
        for someone in one.people:
            someone.frame = number
        content.people += one.people
        content.layout = content.layout or one.layout
    return content


def _frame_numbers(names: Sequence[str]) -> list[int]:
    """The last number in each name ('clip_000012_keypoints' -> 12); else places in the list."""
    numbers = [re.findall(r"\d+", name) for name in names]
    if all(numbers):
        last = [int(found[-1]) for found in numbers]
        if len(set(last)) == len(last):
            return last
    return list(range(len(names)))


def _parse(data, path: Path) -> _Content:
    """Tell the formats apart."""
    if isinstance(data, dict):
        if "instance_info" in data:
            content = _parse(data["instance_info"], path)
            meta = data.get("meta_info")
            content.layout = meta.get("dataset_name") if isinstance(meta, dict) else None
            return content
        if "predictions" in data:
            return _parse_frames(_list_of(data["predictions"], path), path)
        if "people" in data:
            return _content([(0, _list_of(data["people"], path))], path)
        keys = ", ".join(map(str, list(data)[:8])) or "none"
        raise ValueError(
            f"{path} holds an object with the keys {keys}; known are 'predictions' and "
            "'instance_info' (mmpose) and 'people' (OpenPose)."
        )
    entries = _list_of(data, path)
    if not entries or all(isinstance(entry, list) for entry in entries):
        return _parse_frames(entries, path)
    if not all(isinstance(entry, dict) for entry in entries):
        kinds = sorted({type(entry).__name__ for entry in entries})
        raise ValueError(
            f"{path} holds a list of {', '.join(kinds)}; lists of people or of frames are known."
        )
    kind = next((key for key in _LIST_KEYS if any(key in entry for entry in entries)), None)
    lacking = [i for i, entry in enumerate(entries) if kind is not None and kind not in entry]
    if lacking:
        found = ", ".join(map(str, entries[lacking[0]])) or "nothing"
        raise ValueError(
            f"{path}: entry {lacking[0]} of its {len(entries)} (counted from 0) has no {kind!r}, "
            f"which others have, but {found}; the file is damaged. A frame with nobody holds an "
            "empty list."
        )
    if kind == "instances":
        frames = [_whole(entry.get("frame_id", i), path) for i, entry in enumerate(entries)]
        people = [_list_of(entry["instances"], path) for entry in entries]
        return _content(list(zip(frames, people, strict=True)), path)
    if kind == "predictions":
        return _parse_frames([f for e in entries for f in _list_of(e["predictions"], path)], path)
    if kind == "image_id":
        names = list(dict.fromkeys(str(entry["image_id"]) for entry in entries))
        numbers = dict(zip(names, _frame_numbers([Path(n).stem for n in names]), strict=True))
        by_frame: dict[int, list] = {number: [] for number in sorted(numbers.values())}
        for entry in entries:
            by_frame[numbers[str(entry["image_id"])]].append(entry)
        return _content(list(by_frame.items()), path)
    return _content([(0, entries)], path)


def _parse_frames(entries: list, path: Path) -> _Content:
    """A list of frames, each a list of people."""
    return _content([(i, _list_of(entry, path)) for i, entry in enumerate(entries)], path)


def _list_of(entry, path: Path) -> list:
    if not isinstance(entry, list):
        raise ValueError(
            f"{path} holds {type(entry).__name__} {str(entry)[:60]!r} where a list of people or "
            "frames was expected; it is no keypoint file of mmpose, OpenPose or AlphaPose."
        )
    return entry


def _content(frames: list[tuple[int, list]], path: Path) -> _Content:
    content = _Content([number for number, _ in frames])
    for number, people in frames:
        for place, entry in enumerate(people):
            keypoints = _keypoints_of(entry, f"{path}, frame {number}, person {place}")
            if keypoints is not None:
                content.people.append(_Person(number, keypoints, _identity(entry), place))
    return content


def _keypoints_of(entry, where: str) -> np.ndarray | None:
    """(L, 3) x, y and score of one person; None for an empty list, as some writers leave."""
    is_dict = isinstance(entry, dict)
    raw = entry.get("keypoints", entry.get("pose_keypoints_2d")) if is_dict else None
    if raw is None:
        found = f"the keys {', '.join(map(str, entry))}" if is_dict else repr(entry)
        raise ValueError(
            f"{where}: expected 'keypoints' (mmpose, AlphaPose) or 'pose_keypoints_2d' (OpenPose), "
            f"found {found[:120]}."
        )
    try:
        values = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: keypoints must be numbers, two or three for each joint, got "
            f"{str(raw)[:80]!r}; the file is damaged."
        ) from error
    if values.size == 0:
        return None
    scores = entry.get("keypoint_scores")
    if values.ndim == 1 and len(values) % 3 == 0 and scores is None:
        return values.reshape(-1, 3)
    if values.ndim == 2 and values.shape[1] == 3 and scores is None:
        return values
    if values.ndim != 2 or values.shape[1] != 2:
        hint = "; 3D poses need no lifting" if values.shape[-1:] == (3,) else ""
        raise ValueError(
            f"{where}: keypoints must be (L, 2), or x, y, score for each joint in one list, got "
            f"shape {values.shape}{hint}."
        )
    if scores is None:
        scores = np.ones(len(values))
    try:
        scores = np.asarray(scores, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: keypoint_scores must be numbers, one for each joint, got "
            f"{str(scores)[:80]!r}; the file is damaged."
        ) from error
    if len(scores) != len(values):
        raise ValueError(
            f"{where}: there must be one of keypoint_scores for each joint, got {len(scores)} for "
            f"{len(values)} joints; the file is damaged."
        )
    return np.concatenate([values, scores[:, None]], axis=1)


def _identity(entry: dict) -> int | None:
    """A person's number; None where there is none (OpenPose writes -1)."""
    for key in _ID_KEYS:
        value = entry.get(key)
        while isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, int | float) and 0 <= value < math.inf:
            return int(value)
    return None


def _whole(value, path: Path) -> int:
    if not isinstance(value, int | float) or value != value // 1:
        raise ValueError(f"{path}: frame_id must be a whole number, got {value!r}.")
    return int(value)


def _select(content: _Content, person: str | None, path: Path) -> KeypointTracks:
    """Rows of the people that are asked for."""
    people, assumptions = content.people, []
    counts = {len(someone.keypoints) for someone in people}
    if len(counts) > 1:
        raise ValueError(
            f"{path}: everybody must have the same number of joints, got {sorted(counts)}."
        )
    num_joints = counts.pop() if counts else _DEFAULT_JOINTS
    values = np.array([someone.keypoints for someone in people], dtype=np.float32)
    values = values.reshape(-1, num_joints, 3)
    frames = np.array([someone.frame for someone in people], dtype=np.int64)
    identities = [someone.identity for someone in people]
    untracked = _why_untracked(people, path)
    layout = _guess_layout(content.layout, num_joints)
    if person is None:
        person = "largest" if untracked else "all"
        # Somebody who has a tracker wants to know why it counts for nothing.
        if untracked and any(identity is not None for identity in identities):
            assumptions.append(untracked)
    if person == "all":
        if untracked:
            identities = [someone.place for someone in people]
            assumptions.append(
                f"{untracked} People in the same place of their frames' lists are taken as one "
                "person."
            )
        ids = np.array(identities, dtype=np.int64)
        return KeypointTracks(
            values[..., :2],
            values[..., 2],
            frames,
            ids,
            *layout,
            assumptions,
            not untracked,
            max(content.frames, default=-1) + 1,
        )
    if len(set(frames.tolist())) < len(people):
        assumptions.append(
            "Of several people in a frame the one with the largest box is taken, and all these are "
            "one person."
        )
    numbers = np.unique(np.array(content.frames, dtype=np.int64))
    rows = np.zeros((len(numbers), num_joints, 3), dtype=np.float32)
    rows[..., :2] = np.nan
    # The largest one is written last, of equals the first in the file.
    order = len(people) - 1 - np.argsort(_box_areas(values)[::-1], kind="stable")
    rows[np.searchsorted(numbers, frames[order])] = values[order]
    ids = np.zeros(len(numbers), dtype=np.int64)
    return KeypointTracks(rows[..., :2], rows[..., 2], numbers, ids, *layout, assumptions)


def _why_untracked(people: list[_Person], path: Path) -> str:
    """Why the people's numbers are no identities, a sentence; empty where they are."""
    without = sum(someone.identity is None for someone in people)
    if without == len(people):
        return "The file has no identities."
    if without:
        return (
            f"The identities of {path.name} are not used: {without} of {len(people)} people have "
            f"none of {', '.join(_ID_KEYS)}."
        )
    counts = Counter((someone.frame, someone.identity) for someone in people)
    (frame, identity), count = counts.most_common(1)[0]
    if count > 1:
        return (
            f"The identities of {path.name} are not used: {count} people of frame {frame} have "
            f"the number {identity}."
        )
    return ""


def _box_areas(values: np.ndarray) -> np.ndarray:
    """(P,) area of the box around the found joints, px^2; -1 where there is none."""
    found = (values[..., 2:] > 0) & np.isfinite(values[..., :2])
    high = np.where(found, values[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(found, values[..., :2], np.inf).min(axis=1, initial=np.inf)
    areas = np.prod(np.maximum(high - low, 0.0), axis=-1)
    return np.where(np.isfinite(areas), areas, -1.0)


def _guess_layout(said: str | None, num_joints: int) -> tuple[str | None, bool]:
    """Name of the layout, and whether the file says so."""
    if said is not None:
        try:
            layout = keypoint_layout(said)
        except ValueError:
            layout = None
        if layout is not None and layout.num_joints == num_joints:
            return layout.name, True
    fitting = layouts_of_size(num_joints)
    return _COMMON_LAYOUTS.get(num_joints, fitting[0] if len(fitting) == 1 else None), False


def _read_arrays(path: Path) -> KeypointTracks:
    """NumPy files."""
    with path.open("rb") as file:
        begin = file.read(8)
    if not begin.startswith(_NUMPY_MARKS):
        kind = "is empty" if not begin else f"begins with {begin!r}"
        raise ValueError(
            f"{path} {kind}: it is no NumPy file, whatever its name says. Name JSON files .json, "
            "and write arrays with numpy.savez or numpy.save."
        )
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"keypoints": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} can't be read as a NumPy file ({error}): it is cut short, of another kind, or "
            "holds Python objects."
        ) from error
    found = {
        name: next((arrays[key] for key in keys if key in arrays), None)
        for name, keys in _ARRAY_KEYS.items()
    }
    if found["keypoints"] is None:
        raise ValueError(
            f"{path} holds the arrays {', '.join(arrays) or 'none'}; the keypoints must be called "
            "'keypoints'."
        )
    keypoints = found["keypoints"]
    if keypoints.ndim == 2:
        keypoints = keypoints[None]
    if keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3) or keypoints.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: keypoints must be numbers of shape (N, L, 2), or (N, L, 3) with scores, got "
            f"{keypoints.shape} {keypoints.dtype}."
        )
    count, num_joints = keypoints.shape[:2]
    scores = found["scores"]
    if scores is None:
        scores = keypoints[..., 2] if keypoints.shape[2] == 3 else np.ones((count, num_joints))
    assumptions: list[str] = []
    said = str(arrays["layout"]) if "layout" in arrays else None
    layout = _guess_layout(said, num_joints)
    ids, frames = found["person_ids"], found["frames"]
    if ids is None:
        ids = np.zeros(count)
        assumptions.append("The rows are taken as one person's frames, in order.")
    if frames is None:
        frames = count_within(np.asarray(ids))
    for name, array, shape in (
        ("scores", scores, (count, num_joints)),
        ("person_ids", ids, (count,)),
        ("frames", frames, (count,)),
    ):
        if array.shape != shape or array.dtype.kind not in "fiub":
            raise ValueError(
                f"{path}: {name} must be numbers of shape {shape} for keypoints "
                f"{keypoints.shape}, got {array.shape} {array.dtype}."
            )
    return KeypointTracks(
        keypoints[..., :2].astype(np.float32),
        scores.astype(np.float32),
        frames.astype(np.int64),
        ids.astype(np.int64),
        *layout,
        assumptions,
    )


def count_within(ids: np.ndarray) -> np.ndarray:
    """How many rows with the same id came before each row, (N,) int64, of ids (N,)."""
    order = np.argsort(ids, kind="stable")
    if len(order) == 0:
        return np.zeros(0, dtype=np.int64)
    starts = np.concatenate([[True], ids[order][1:] != ids[order][:-1]])
    first = np.maximum.accumulate(np.where(starts, np.arange(len(ids)), 0))
    counts = np.empty(len(ids), dtype=np.int64)
    counts[order] = np.arange(len(ids)) - first
    return counts
