"""Reading the annotation files that mmpose's 3D data sets share."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from part_synth.datasets.frame_index import NUM_JOINTS

# Key of the npz -> shape after the first axis, which counts the frames.
ANNOTATION_SHAPES = {
    "imgname": (),
    "center": (2,),
    "scale": (),
    "part": (NUM_JOINTS, 3),
    "S": (NUM_JOINTS, 4),
}
LABEL_KEYS = ("part", "S")


def require_root(root: str | Path) -> Path:
    """The folder of a data set.

    Raises:
        FileNotFoundError: If it is not there.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"There is no data set at {root}. Set `data_root` to the folder that holds the images "
            "and the annotation files. The embedded set, which configs with 'synthetic' in their "
            "names train on, is made with "
            "`python tools/dataset_converters/make_synthetic.py --out data/synthetic_mocap`."
        )
    return root


def first_existing(root: Path, candidates: Iterable[str], what: str) -> Path:
    """The first of several files that exists below ``root``.

    Raises:
        FileNotFoundError: If none does; the message lists them.
    """
    candidates = [str(name) for name in candidates]
    for name in candidates:
        if (root / name).is_file():
            return root / name
    raise FileNotFoundError(
        f"{root} has no {what}: looked for {', '.join(candidates)}. Give its path by `ann_file` "
        "or `camera_file`, relative to the data root."
    )


def read_annotations(path: Path, require_labels: bool = True) -> dict[str, np.ndarray]:
    """Read an annotation npz in mmpose's layout.

    Args:
        path (Path): The npz.
        require_labels (bool): False accepts a file without the joints (``part`` and ``S``); they
            come back as zeros with visibility 0.

    Returns:
        dict[str, np.ndarray]: ``imgname`` (N,) str, ``center`` (N, 2) px, ``scale`` (N,), ``part``
        (N, 17, 3) px + visible and ``S`` (N, 17, 4) camera-frame metres + visible, float32, and
        whatever else the file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an npz, lacks a key, or has an array of a wrong shape.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no annotation file {path}. Check `data_root` and `ann_file`."
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} can't be read as an npz of plain arrays ({error}). Make or fetch it again."
        ) from error
    optional = () if require_labels else LABEL_KEYS
    missing = [key for key in ANNOTATION_SHAPES if key not in arrays and key not in optional]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(sorted(arrays)) or 'nothing'}. "
            f"An annotation file in mmpose's layout has {', '.join(ANNOTATION_SHAPES)}."
        )
    count = len(arrays["imgname"])
    for key, shape in ANNOTATION_SHAPES.items():
        if key not in arrays:
            arrays[key] = np.zeros((count, *shape), dtype=np.float32)
        if arrays[key].shape != (count, *shape):
            raise ValueError(
                f"{path}: `{key}` has shape {arrays[key].shape}, expected {(count, *shape)} "
                f"({count} image names; 17 joints in the layout's order)."
            )
        if key != "imgname":
            arrays[key] = arrays[key].astype(np.float32, copy=False)
    if count == 0:
        raise ValueError(f"{path} names no image at all. Make or fetch it again.")
    return arrays


def read_cameras(path: Path) -> dict[Any, dict]:
    """Read a pickled camera file. Pickle runs code: read files of people you trust only.

    Args:
        path (Path): ``cameras.pkl``.

    Returns:
        dict: Key of the layout -> parameters (``R T c f`` and others).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no camera file {path}. Check `camera_file`.")
    try:
        with path.open("rb") as file:
            cameras = pickle.load(file)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise ValueError(
            f"{path} is not a whole pickle ({error}). Make or fetch it again."
        ) from error
    if not isinstance(cameras, dict) or not all(
        isinstance(camera, dict) and {"c", "f"} <= camera.keys() for camera in cameras.values()
    ):
        raise ValueError(f"{path} is not a dictionary of cameras with at least `c` and `f`.")
    return cameras


def split_image_names(names: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Split ``folder/STEM_000123.jpg`` into stems and frame numbers.

    Names come sorted by video, so only the few stems that differ from their predecessor are looked
    at one by one.

    Args:
        names (np.ndarray): (N,) str, image names.

    Returns:
        tuple: Distinct stems (list of S strings, without folder), stem of every name (N,) int32,
        frame numbers (N,) int32.

    Raises:
        ValueError: If a name does not end in an underscore and a number.
    """
    parts = np.char.rpartition(names.astype(str), "_")
    numbers = np.char.partition(parts[:, 2], ".")[:, 0]
    bad = ~np.char.isdigit(numbers) | (parts[:, 0] == "")
    if bad.any():
        raise ValueError(
            f"{bad.sum()} image names don't end in `_` and a frame number, for example "
            f"'{names[int(np.argmax(bad))]}'. Expected names like "
            "S1_Directions_1.54138969_000001.jpg (Human3.6M) or S1_Seq1_Cam0_000001.jpg "
            "(MPI-INF-3DHP); check `layout` and `ann_file`."
        )
    heads = parts[:, 0]
    starts = np.concatenate([[True], heads[1:] != heads[:-1]])
    run_stems = [head.rsplit("/", 1)[-1] for head in heads[starts].tolist()]
    stems = list(dict.fromkeys(run_stems))
    row = {stem: i for i, stem in enumerate(stems)}
    run_rows = np.array([row[stem] for stem in run_stems], dtype=np.int32)
    return stems, run_rows[np.cumsum(starts) - 1], numbers.astype(np.int32)


def read_detections(path: Path, count: int) -> np.ndarray:
    """Read detected 2D joints.

    Args:
        path (Path): npy of (N, 17, 2) px, or (N, 17, 3) with scores.
        count (int): N, frames of the annotation file.

    Returns:
        np.ndarray: (N, 17, 2) float64 px.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file of detected 2D joints {path}. Set `keypoint_file` to an npy of "
            f"({count}, 17, 2) px (tools/dataset_converters/cmu_mocap.py makes noisy ones with "
            "--noise), or leave it out for the annotated ones."
        )
    try:
        points = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} can't be read as an npy of plain numbers ({error}).") from error
    if points.ndim != 3 or points.shape[:2] != (count, 17) or points.shape[2] not in (2, 3):
        raise ValueError(
            f"{path} has shape {points.shape}, expected ({count}, 17, 2) or ({count}, 17, 3): one "
            "row for each frame of the annotation file, joints in Human3.6M's order."
        )
    return points[..., :2].astype(np.float64)
