"""Motion clips of the 17 Human3.6M joints: npz, BVH and ASF/AMC files, checks and resampling.

Symbols: N poses of C clips one after the other, K = 17 joints in Human3.6M order. World frame,
metres, z up, floor at z = 0.
"""

from __future__ import annotations

import logging
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from scipy.interpolate import CubicSpline

from part_synth.datasets.asf_amc import find_asf, joints_of_amc, read_amc, read_asf
from part_synth.datasets.bvh import joints_of_bvh, read_bvh
from part_synth.geometry import H36M17

# Length of one unit of a BVH file, metres. CMU's files count in inches / 0.45.
_UNITS = {
    "metres": 1.0,
    "centimetres": 0.01,
    "millimetres": 0.001,
    "inches": 0.0254,
    "CMU units (inches / 0.45)": 0.0254 / 0.45,
}
_AMC_FPS = 120.0  # at which CMU recorded; an AMC file does not say
_STATURE = (0.9, 2.4)  # accepted statures, children to the tallest adults, m
_LABELS = ("subject", "clip", "action", "split")
_REQUIRED = ("xyz", "start", "length", "fps", "joint_names", "parents")


@dataclass
class MotionClips:
    """Clips of 3D poses.

    Attributes:
        xyz: (N, 17, 3) float32, world frame, metres, z up.
        start: (C,) index of each clip's first pose.
        length: (C,) number of poses of each clip.
        fps: Poses per second, one rate for all clips.
        subject: (C,) who moves.
        clip: (C,) name of the clip.
        action: (C,) activity.
        split: (C,) 'train', 'val' or 'test'.
    """

    xyz: np.ndarray
    start: np.ndarray
    length: np.ndarray
    fps: float
    subject: np.ndarray
    clip: np.ndarray
    action: np.ndarray
    split: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def poses(self, index: int) -> np.ndarray:
        """Poses of one clip: a view (length, 17, 3) of ``xyz``."""
        first = int(self.start[index])
        return self.xyz[first : first + int(self.length[index])]

    def resample(self, fps: float) -> MotionClips:
        """The same clips at another rate.

        Joints follow cubic splines of time; bones keep their length. Nothing is filtered: to a rate
        that is a whole fraction of the old one this just picks poses.

        Args:
            fps (float): New rate, poses per second.

        Returns:
            MotionClips: A clip of n poses becomes one of floor((n - 1) * fps / old) + 1.

        Raises:
            ValueError: ``fps`` is not positive.
        """
        if not (np.isfinite(fps) and fps > 0):
            raise ValueError(f"fps must be positive, got {fps}.")
        clips = [_resample(self.poses(i), self.fps, fps) for i in range(len(self))]
        length = np.array([len(clip) for clip in clips], dtype=np.int64)
        return MotionClips(
            np.concatenate(clips).astype(self.xyz.dtype),
            np.cumsum(length) - length,
            length,
            float(fps),
            *(getattr(self, name).copy() for name in _LABELS),
        )


def load_motions(
    path: str | Path, metres_per_unit: float | None = None, amc_fps: float = _AMC_FPS
) -> MotionClips:
    """Read motion clips.

    Args:
        path (str | Path): An npz file (keys ``xyz`` (N, 17, 3), ``start``, ``length``, ``fps``,
            ``joint_names``, ``parents``, and optionally ``subject``, ``clip``, ``action``,
            ``split``), a BVH file, an AMC file, or a folder of BVH and AMC files. The skeleton of
            ``07_01.amc`` is ``07.asf`` in the same folder, or the only ASF file there. A file's up
            axis, and a BVH file's unit, are found from the skeleton and reported through the
            logger; an ASF file states its unit.
        metres_per_unit (float | None): Unit of BVH and ASF files, if the guess from body height or
            what the file states is wrong.
        amc_fps (float): Frames per second of AMC files, which don't say.

    Returns:
        MotionClips: Checked clips, world frame with z up, metres.

    Raises:
        FileNotFoundError: No such file, no skeleton for an AMC file, or a folder without BVH and
            AMC files.
        ValueError: A wrong or damaged file; the message says what to change.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"No motion file {path}; give an npz, BVH or AMC file, or a folder of BVH or AMC."
        )
    if not (np.isfinite(amc_fps) and amc_fps > 0):
        raise ValueError(f"amc_fps must be positive, got {amc_fps}.")
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".bvh", ".amc"))
        if not files:
            raise FileNotFoundError(f"The folder {path} holds no .bvh and no .amc file.")
        return _load_files(files, metres_per_unit, amc_fps)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _load_npz(path)
    if suffix in (".bvh", ".amc"):
        return _load_files([path], metres_per_unit, amc_fps)
    if suffix == ".asf":
        raise ValueError(f"{path} is only a skeleton; give the .amc file beside it, or the folder.")
    raise ValueError(f"{path}: unknown kind of motion file {suffix!r}; give .npz, .bvh or .amc.")


def save_motions(path: str | Path, clips: MotionClips) -> None:
    """Write clips as npz, in one step (a broken-off write leaves no file).

    Args:
        path (str | Path): File to write; its folder must exist.
        clips (MotionClips): Clips; checked as `load_motions` checks them.

    Raises:
        ValueError: The clips would not pass `load_motions`, or the name does not end in .npz.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ValueError(f"Motions are saved as .npz, got the name {path}.")
    _check(clips, str(path))
    arrays = {name: getattr(clips, name) for name in ("xyz", "start", "length", *_LABELS)}
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez_compressed(
        unfinished,
        **arrays,
        fps=np.float32(clips.fps),
        joint_names=np.array(H36M17.joint_names),
        parents=np.array(H36M17.parents, dtype=np.int64),
    )
    os.replace(unfinished, path)


def _load_npz(path: Path) -> MotionClips:
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read as npz without pickled objects ({error}); write plain arrays "
            "with numpy.savez, strings as unicode arrays."
        ) from error
    missing = [key for key in _REQUIRED if key not in arrays]
    if missing:
        raise ValueError(f"{path} lacks {missing}; it needs {list(_REQUIRED)}, has {list(arrays)}.")
    names = [str(name) for name in np.atleast_1d(arrays["joint_names"])]
    if names != list(H36M17.joint_names):
        fix = "reorder xyz" if set(names) == set(H36M17.joint_names) else "map its joints"
        raise ValueError(
            f"{path} has the joints {names}; {fix} to the Human3.6M order "
            f"{list(H36M17.joint_names)}."
        )
    if np.asarray(arrays["parents"]).tolist() != list(H36M17.parents):
        raise ValueError(
            f"{path} has parents {np.asarray(arrays['parents']).tolist()}; the Human3.6M order has "
            f"{list(H36M17.parents)}: check that joints and names belong together."
        )
    fps = np.unique(np.asarray(arrays["fps"], dtype=np.float64))
    if len(fps) != 1:
        raise ValueError(f"{path} mixes frame rates {fps.tolist()}; save one file per rate.")
    start = np.atleast_1d(arrays["start"])
    defaults = {"subject": "unknown", "clip": None, "action": "unknown", "split": "train"}
    for key, value in defaults.items():
        if key not in arrays:
            print_log(f"{path} has no {key!r}; using {value or 'numbers'}.", logger="current")
            filled = [value or f"clip_{i}" for i in range(len(start))]
            arrays[key] = np.array(filled, dtype=str)
    clips = MotionClips(
        arrays["xyz"],
        start,
        np.atleast_1d(arrays["length"]),
        float(fps[0]),
        *(np.atleast_1d(arrays[name]).astype(str) for name in _LABELS),
    )
    _check(clips, str(path))
    clips.xyz = clips.xyz.astype(np.float32)
    return clips


def _check(clips: MotionClips, source: str) -> None:
    """Raise ValueError, in words that say what to change, if clips are not what they should be."""
    xyz, start, length = clips.xyz, clips.start, clips.length
    if xyz.ndim != 3 or xyz.shape[1:] != (17, 3) or not np.issubdtype(xyz.dtype, np.floating):
        raise ValueError(
            f"{source}: xyz must be floats of shape (N, 17, 3), got {xyz.dtype} {xyz.shape}."
        )
    if len(start) == 0 or len(xyz) == 0:
        raise ValueError(f"{source} holds no clips; write at least one.")
    for name in ("length", *_LABELS):
        count = len(getattr(clips, name))
        if count != len(start):
            raise ValueError(f"{source}: {name} has {count} entries for {len(start)} clips.")
    if not (np.issubdtype(start.dtype, np.integer) and np.issubdtype(length.dtype, np.integer)):
        raise ValueError(f"{source}: start and length must be integers (indices of poses).")
    if (length < 1).any():
        empty = [str(clips.clip[i]) for i in np.flatnonzero(length < 1)[:5]]
        raise ValueError(f"{source}: clips {empty} are empty (length below 1); leave them out.")
    if (start < 0).any() or (start + length > len(xyz)).any():
        raise ValueError(f"{source}: start + length goes beyond the {len(xyz)} poses of xyz.")
    if not (np.isfinite(clips.fps) and clips.fps > 0):
        raise ValueError(f"{source}: fps must be positive, got {clips.fps}.")
    if not np.isfinite(xyz).all():
        bad = int(np.flatnonzero(~np.isfinite(xyz).all((1, 2)))[0])
        raise ValueError(f"{source}: NaN or infinity in pose {bad}; fill or leave out such poses.")
    _check_person(xyz, source)


def _check_person(xyz: np.ndarray, source: str) -> None:
    stature = _stature(xyz)
    if not _STATURE[0] <= stature <= _STATURE[1]:
        likely = min(_UNITS, key=lambda unit: abs(np.log(max(stature, 1e-9) * _UNITS[unit] / 1.7)))
        hint = f"looks like {likely}; multiply xyz by {_UNITS[likely]:g}"
        if likely == "metres":
            hint = "bring it to metres"
        raise ValueError(f"{source}: the bones add up to a person {stature:.4g} m tall: {hint}.")
    up = np.median(xyz[:, 8] - 0.5 * (xyz[:, 3] + xyz[:, 6]), axis=0)
    if np.abs(up).max() > 0.4 * stature and up.argmax() != 2:
        axis = ("-" if up[np.abs(up).argmax()] < 0 else "") + "xyz"[np.abs(up).argmax()]
        raise ValueError(
            f"{source}: the people stand along {axis}; z must point up. For y up, write "
            "xyz = stack([x, -z, y], -1)."
        )
    # Knees bend forwards: if they bend the other way for (left hip - right hip) x up, the sides
    # are exchanged or the data are mirrored.
    left = xyz[:, 4] - xyz[:, 1]
    forward = np.stack([left[:, 1], -left[:, 0]], -1)
    ankle, hip, knee = ((xyz[:, a, :2] + xyz[:, b, :2]) / 2 for a, b in ((3, 6), (1, 4), (2, 5)))
    bend = ((knee - 0.5 * (hip + ankle)) * forward).sum(-1)
    if np.mean(bend > 0.0) < 0.2:
        print_log(
            f"{source}: most knees bend backwards; left and right may be exchanged.",
            logger="current",
            level=logging.WARNING,
        )


def _stature(xyz: np.ndarray) -> float:
    """Stature estimated from bone lengths, in the unit of ``xyz`` (N, 17, 3)."""
    bones = np.linalg.norm(xyz[:, 1:] - xyz[:, list(H36M17.parents[1:])], axis=-1)
    median = np.median(bones[:: max(1, len(bones) // 500)], axis=0)
    legs = 0.5 * (median[1] + median[2] + median[4] + median[5])
    # Legs, trunk, neck and head; 1.05 for the feet below the ankles.
    return float(1.05 * (legs + median[6:10].sum()))


def _load_files(files: list[Path], metres_per_unit: float | None, amc_fps: float) -> MotionClips:
    """Clips of BVH and AMC files."""
    loaded = [(file, *_read_one(file, metres_per_unit, amc_fps)) for file in files]
    rate = min(fps for *_, fps in loaded)
    if any(abs(fps - rate) > 1e-3 * rate for *_, fps in loaded):
        print_log(f"Files of several rates: all brought to {rate:g} fps.", logger="current")
    xyz = [
        joints if abs(fps - rate) <= 1e-3 * rate else _resample(joints, fps, rate)
        for _, joints, fps in loaded
    ]
    length = np.array([len(clip) for clip in xyz], dtype=np.int64)
    stems = [file.stem for file, *_ in loaded]
    # LAFAN1 calls its files walk1_subject2, CMU 35_01 (subject, trial).
    people = [re.search(r"subject\d+", s) or re.match(r"\d+(?=_\d+)", s) for s in stems]
    actions = [re.match(r"[A-Za-z]+(?=\d*_subject)", stem) for stem in stems]
    clips = MotionClips(
        np.concatenate(xyz).astype(np.float32),
        np.cumsum(length) - length,
        length,
        float(rate),
        np.array([p[0] if p else stem for p, stem in zip(people, stems, strict=True)]),
        np.array(stems),
        np.array([a[0] if a else "unknown" for a in actions]),
        np.array(["train"] * len(stems)),
    )
    _check(clips, str(files[0] if len(files) == 1 else files[0].parent))
    return clips


def _read_one(
    path: Path, metres_per_unit: float | None, amc_fps: float
) -> tuple[np.ndarray, float]:
    """Joints (T, 17, 3) of a BVH or AMC file, metres, z up, feet on the floor, and its rate."""
    stated = None
    if path.suffix.lower() == ".amc":
        asf = find_asf(path)
        skeleton = read_asf(asf)
        joints = joints_of_amc(skeleton, *read_amc(path, skeleton), source=str(asf))
        fps, stated = amc_fps, skeleton.metres_per_unit
    else:
        motion = read_bvh(path)
        joints, fps = joints_of_bvh(motion, str(path)), motion.fps
    stature = _stature(joints)
    if metres_per_unit is None and stated is None:
        unit = min(_UNITS, key=lambda name: abs(np.log(max(stature, 1e-9) * _UNITS[name] / 1.7)))
        metres_per_unit = _UNITS[unit]
    else:
        metres_per_unit = metres_per_unit or stated
        unit = f"units of {metres_per_unit:.4g} m"
    if not _STATURE[0] <= stature * metres_per_unit <= _STATURE[1]:
        fits = "no usual unit" if stated is None else f"no person in {unit}"
        raise ValueError(
            f"{path}: the skeleton is {stature:.4g} units tall, which fits {fits}; pass "
            "metres_per_unit (length of one unit of the file in metres)."
        )
    joints = joints * metres_per_unit
    up = np.median(joints[:, 8] - 0.5 * (joints[:, 3] + joints[:, 6]), axis=0)
    axis = int(np.abs(up).argmax())
    if axis == 1:
        x, y, z = np.moveaxis(joints, -1, 0)
        joints = np.stack([x, -z, y] if up[1] > 0 else [x, z, -y], -1)
    elif axis == 0 or up[2] < 0:
        raise ValueError(
            f"{path}: the person stands along {'-' if up[axis] < 0 else ''}{'xyz'[axis]}; export "
            "the file with y or z up."
        )
    floor = (
        float(np.percentile(joints[:, [3, 6], 2].min(1), 1.0)) - 0.05 * stature * metres_per_unit
    )
    if abs(floor) > 0.15:  # ankles stand about 5 % of the stature above the floor
        joints[..., 2] -= floor
        print_log(f"{path}: lowered by {floor:.2f} m onto the floor.", logger="current")
    print_log(
        f"{path}: {len(joints)} poses at {fps:.4g} fps, {'xyz'[axis]} up, in {unit} "
        f"(stature about {stature * metres_per_unit:.2f} m).",
        logger="current",
    )
    return joints, fps


def _resample(xyz: np.ndarray, old: float, new: float) -> np.ndarray:
    """Resample poses (T, 17, 3) from one rate to another, keeping the lengths of bones."""
    count = int(np.floor((len(xyz) - 1) * new / old + 1e-3)) + 1
    when = np.minimum(np.arange(count) * (old / new), len(xyz) - 1)
    low = np.minimum(when.astype(np.int64), max(len(xyz) - 2, 0))
    share = (when - low)[:, None]
    # Frame times of files are rounded: a thousandth of a frame counts as none.
    if np.allclose(share, np.round(share), atol=2e-3):
        return xyz[np.round(when).astype(np.int64)].copy()
    parents = list(H36M17.parents[1:])
    xyz = xyz.astype(np.float64)
    curve = CubicSpline(np.arange(len(xyz)), xyz) if len(xyz) > 3 else None
    high = np.minimum(low + 1, len(xyz) - 1)
    smooth = xyz[low] + share[..., None] * (xyz[high] - xyz[low]) if curve is None else curve(when)
    bones = np.linalg.norm(xyz[:, 1:] - xyz[:, parents], axis=-1)
    length = bones[low] + share * (bones[high] - bones[low])
    direction = smooth[:, 1:] - smooth[:, parents]
    norm = np.linalg.norm(direction, axis=-1)
    direction = direction / np.maximum(norm, 1e-9)[..., None]
    out = smooth.copy()
    for child, parent in enumerate(parents, start=1):
        out[:, child] = out[:, parent] + length[:, child - 1, None] * direction[:, child - 1]
    return out
