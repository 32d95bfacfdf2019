"""A benchmark data set from motion capture: people in motion, seen by virtual cameras.

The joints are measured, the cameras are made (`human36m_like_rig`), there are no images. Human3.6M
may only be used under its licence; CMU's motion capture is free, and with it the same questions
can be asked: how well do 2D joints tell the 3D pose of a person never seen in training?

Symbols: C cameras, T frames of one clip, N frames of all clips and cameras, K = 17 joints in
Human3.6M order. World frame: metres, z up; camera frame: metres, x right, y down, z forward.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from part_synth.datasets.keypoint_noise import detector_noise
from part_synth.datasets.motion_io import MotionClips, load_motions, save_motions
from part_synth.datasets.virtual_cameras import IMAGE_SIZE, human36m_like_rig, look_through
from part_synth.geometry import H36M17

NAME = "MocapBenchmark"
SPLITS = ("train", "val", "test")
# Changes when the same arguments would make another set.
_VERSION = 1
# People of CMU's clips on whom to validate, unless others are named.
_CMU_VALIDATION = ("08", "ev_soccer", "gs_charleston")
# Rates that differ by no more are taken as one: files round the time of a frame, and cameras of
# television have 29.97 frames per second.
_SAME_RATE = 0.005
_NEAREST = 1.0  # m; a joint nearer to the camera than this loses the frame
_FEET = (3, 6)
_BOX = 1.25  # side of the person's box over that of the joints, as in the synthetic set
_ACTION_LENGTH = 32  # characters of a cleaned activity, at most
_NOTICES = ("license", "licence", "acknowledgement", "acknowledgment", "source", "citation")


@dataclass(frozen=True)
class MocapRecipe:
    """What to make.

    Attributes:
        motions: Files and folders that `load_motions` reads.
        fps: Frames per second of the set; clips are brought to it, those of fewer are refused.
        val_subjects: People to validate on; None: those of the file, else the usual ones of CMU,
            else the last tenth of the training people.
        test_subjects: People to test on; None: those of the file.
        noise: Standard deviation of detector-like noise, px of the 1000 px images; None: none.
        seed: Same seed and motions, same bytes.
        cameras: C, cameras around each person.
        amc_fps: Frames per second of AMC files, which don't say.
        vary_bones: Each person's bones are made longer or shorter by factors whose logarithms have
            this standard deviation, left and right alike: people, and what data sets call a hip or
            a neck, differ. 0: none.
    """

    motions: tuple[str, ...]
    fps: float = 30.0
    val_subjects: tuple[str, ...] | None = None
    test_subjects: tuple[str, ...] | None = None
    noise: float | None = None
    seed: int = 0
    cameras: int = 4
    amc_fps: float = 120.0
    vary_bones: float = 0.0

    def __post_init__(self):
        if not self.motions:
            raise ValueError("Name at least one file or folder of motions.")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps must be positive, got {self.fps}.")
        if self.cameras < 1:
            raise ValueError(f"cameras must be at least 1, got {self.cameras}.")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, got {self.seed}.")
        if not (np.isfinite(self.vary_bones) and 0 <= self.vary_bones <= 0.5):
            raise ValueError(f"vary_bones must lie in [0, 0.5], got {self.vary_bones}.")
        if self.noise is not None and not (np.isfinite(self.noise) and self.noise > 0):
            raise ValueError(f"noise must be positive (px), got {self.noise}.")

    @property
    def noise_name(self) -> str:
        """The noise as file names write it: ``5``, ``2.5``."""
        return f"{self.noise:g}"


def make_mocap_benchmark(recipe: MocapRecipe, out: str | Path, force: bool = False) -> dict:
    """Write the set, whole or not at all.

    The files, in the layout of Human3.6M that ``layout='h36m'`` and mmpose's ``Human36mDataset``
    read::

    <out>/annotation_body3d/cameras.pkl             keyed (subject, camera)
    <out>/annotation_body3d/{train,val,test}.npz    imgname, S, part, center, scale
    <out>/joint_2d_det/{split}_noise{PX}.npy        (N, 17, 3) px and score, with ``noise``
    <out>/clips.json                                split, rate and origin of every clip
    <out>/reference_poses.npz                       the training people's poses, world frame
    <out>/meta.json                                 arguments, counts, units, licence

    Every clip is moved along the floor until the middle of its bounding box is the room's origin. A
    frame of which a camera does not see all joints, or one of them from nearer than a metre, is
    left out for that camera; of the others the longest run is kept, so that no clip has a gap.

    Args:
        recipe (MocapRecipe): What to make.
        out (str | Path): Folder to make.
        force (bool): Replace a set of this kind that is already there.

    Returns:
        dict: What ``meta.json`` says.

    Raises:
        FileNotFoundError: There are no such motions.
        ValueError: Damaged motions, fewer frames per second than the recipe's, people that can't
            be split, or ``out`` holds something else.
    """
    out = Path(out)
    _check_place(out, force)
    clips = _read_motions(recipe)
    if recipe.vary_bones:
        clips = _vary_bones(clips, recipe)
    people = _split_people(clips, recipe)
    clips = replace(clips, split=np.array([people[name] for name in clips.subject.tolist()]))
    short = _short_names(people)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        unfinished.chmod(0o755)
        meta = _write(unfinished, recipe, clips, short)
        _check_place(out, force)
        _move(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return meta


def summary(meta: dict) -> str:
    """A few lines for the screen about a set.

    Args:
        meta (dict): What `make_mocap_benchmark` returned.

    Returns:
        str: Lines without a final line break.
    """
    lines = [
        f"{'split':8}{'people':>8}{'clips':>8}{'frames':>10}{'unseen':>10}{'cut off':>10}",
    ]
    for split, count in meta["counts"].items():
        total = max(count["frames"] + count["unseen"] + count["cut_off"], 1)
        lines.append(
            f"{split:8}{count['people']:8}{count['clips']:8}{count['frames']:10}"
            f"{count['unseen'] / total:10.1%}{count['cut_off'] / total:10.1%}"
        )
    arguments = meta["arguments"]
    lines += [
        f"Frames count once per camera ({arguments['cameras']} cameras, {arguments['fps']:g} fps).",
        "Left out: unseen, a joint outside of the image or nearer than 1 m; cut off, seen but not "
        "in the longest run of seen frames of its clip and camera.",
    ]
    for split in ("val", "test"):
        names = meta["subjects"].get(split)
        lines.append(f"{split}: {', '.join(names)}" if names else f"{split}: nobody")
    return "\n".join(lines + meta["notices"])


def _check_place(out: Path, force: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        ours = json.loads((out / "meta.json").read_text()).get("name") == NAME
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise ValueError(
            f"{out} exists and is not a benchmark set that this tool made; name another folder "
            "by --out, or delete it yourself."
        )
    if not force:
        raise ValueError(
            f"{out} already holds a benchmark set; give --force to replace it, or another --out."
        )


def _move(unfinished: Path, out: Path) -> None:
    """Put the whole new folder in the place of the old one."""
    if not out.exists():
        os.replace(unfinished, out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    os.replace(out, old)
    try:
        os.replace(unfinished, out)
    except OSError:
        os.replace(old, out)
        raise
    shutil.rmtree(old)


def _read_motions(recipe: MocapRecipe) -> MotionClips:
    """All clips at the recipe's rate, each with its middle above the room's origin."""
    loaded = []
    for path in recipe.motions:
        clips = load_motions(path, amc_fps=recipe.amc_fps)
        if recipe.fps > (1 + _SAME_RATE) * clips.fps:
            raise ValueError(
                f"{path} has {clips.fps:g} frames per second, and fps={recipe.fps:g} asks for more "
                f"than were measured. Give --fps {clips.fps:g} or less."
            )
        loaded.append(clips.resample(recipe.fps))
    length = np.concatenate([clips.length for clips in loaded])
    labels = ("subject", "clip", "action", "split")
    joined = MotionClips(
        np.concatenate([clips.xyz for clips in loaded]),
        np.cumsum(length) - length,
        length,
        float(recipe.fps),
        *(np.concatenate([getattr(clips, name) for clips in loaded]) for name in labels),
    )
    low, high = (
        function.reduceat(edge, joined.start, axis=0)
        for function, edge in (
            (np.minimum, joined.xyz[..., :2].min(1)),
            (np.maximum, joined.xyz[..., :2].max(1)),
        )
    )
    middle = np.repeat(0.5 * (low + high), length, axis=0)
    joined.xyz[..., :2] -= middle[:, None]
    return joined


def _vary_bones(clips: MotionClips, recipe: MocapRecipe) -> MotionClips:
    """The same motions by people with other bones; the lower foot keeps its height."""
    parents = np.array(H36M17.parents[1:])
    people, person = np.unique(clips.subject, return_inverse=True)
    factors = np.stack(
        [
            np.exp(recipe.vary_bones * _generator(recipe.seed, "bones", name).standard_normal(17))
            for name in people.tolist()
        ]
    )
    # Both sides alike: the left one's factor is taken for both.
    for left, right in H36M17.left_right_pairs:
        factors[:, right] = factors[:, left]
    factor = np.repeat(factors[person], clips.length, axis=0)[:, 1:, None]
    bones = (clips.xyz[:, 1:] - clips.xyz[:, parents]) * factor
    xyz = clips.xyz.copy()
    for joint, parent in enumerate(parents.tolist(), start=1):
        xyz[:, joint] = xyz[:, parent] + bones[:, joint - 1]
    feet = list(_FEET)
    xyz[..., 2] += (clips.xyz[:, feet, 2].min(1) - xyz[:, feet, 2].min(1))[:, None]
    return replace(clips, xyz=xyz)


def _split_people(clips: MotionClips, recipe: MocapRecipe) -> dict[str, str]:
    """Split of every person."""
    people: dict[str, str] = {}
    named = {
        name: split
        for split, names in (("val", recipe.val_subjects), ("test", recipe.test_subjects))
        for name in names or ()
    }
    present = list(dict.fromkeys(clips.subject.tolist()))
    # Names as the summary and the images write them are understood too.
    written = {_clean_name(name): name for name in present}
    named = {name if name in present else written.get(name, name): s for name, s in named.items()}
    unknown = [name for name in named if name not in present]
    if unknown:
        raise ValueError(
            f"Nobody is called {', '.join(unknown)} in the motions; the people are "
            f"{', '.join(present)}."
        )
    both = set(recipe.val_subjects or ()) & set(recipe.test_subjects or ())
    if both:
        raise ValueError(f"{', '.join(sorted(both))} can't be in both val and test.")
    replaced = {"val": recipe.val_subjects is not None, "test": recipe.test_subjects is not None}
    for name, split in zip(clips.subject.tolist(), clips.split.tolist(), strict=True):
        if split not in SPLITS:
            raise ValueError(
                f"The person {name} is in the split {split!r}; it must be one of "
                f"{', '.join(SPLITS)}."
            )
        # Whom the user did not name for a split that was named goes back to train.
        split = named.get(name, "train" if replaced.get(split) else split)
        if people.setdefault(name, split) != split:
            raise ValueError(
                f"The person {name} is in the splits {people[name]} and {split}; name them in "
                "--val-subjects or --test-subjects, so that the splits share nobody."
            )
    if "val" not in people.values():
        _take_validation(people)
    if "train" not in people.values():
        raise ValueError(
            f"Nobody is left to train on among {', '.join(people)}; give motions of more people, "
            "or name fewer in --val-subjects and --test-subjects."
        )
    return people


def _take_validation(people: dict[str, str]) -> None:
    train = [name for name, split in people.items() if split == "train"]
    chosen = [name for name in _CMU_VALIDATION if name in train]
    if not chosen:
        chosen = sorted(train)[-max(1, len(train) // 10) :]
    if len(chosen) == len(train):
        raise ValueError(
            f"Only {', '.join(train)} can be trained on, which leaves nobody to validate on; give "
            "motions of more people."
        )
    people.update(dict.fromkeys(chosen, "val"))


def _clean_name(name: str) -> str:
    """A name without the characters that separate the parts of an image's name."""
    return re.sub(r"[^A-Za-z0-9-]", "", name)


def _short_names(people: dict[str, str]) -> dict[str, str]:
    """Name of each person in image names, all different."""
    short: dict[str, str] = {}
    for name in people:
        clean = _clean_name(name)
        if not clean:
            raise ValueError(f"The person {name!r} has no letter or digit in the name; rename it.")
        # Folders may not tell upper and lower case apart.
        twin = next((n for n, c in short.items() if c.lower() == clean.lower()), None)
        if twin is not None:
            raise ValueError(
                f"The people {twin!r} and {name!r} would both be called {clean!r} in image names; "
                "rename one of them."
            )
        short[name] = clean
    return short


def _action_word(action: str) -> str:
    """``'basketball - forward dribble'`` to ``'BasketballForwardDribble'``, in whole words."""
    words = [word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", action)]
    if not words:
        return "Unknown"
    end = np.cumsum([len(word) for word in words])
    return "".join(words[: max(1, int((end <= _ACTION_LENGTH).sum()))])[:_ACTION_LENGTH]


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers of one person or clip, whatever else is in the set."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


@dataclass
class _Views:
    """What the cameras saw of all clips.

    Attributes:
        rows: Split -> annotation rows, one dict of arrays per clip and camera.
        entries: Entries of ``clips.json``.
        counts: Split -> numbers for ``meta.json``.
    """

    rows: dict[str, list[dict[str, np.ndarray]]]
    entries: list[dict]
    counts: dict[str, dict[str, int]]


def _write(folder: Path, recipe: MocapRecipe, clips: MotionClips, short: dict[str, str]) -> dict:
    """Write all files; returns what ``meta.json`` says."""
    rigs = {
        clean: human36m_like_rig(_generator(recipe.seed, "rig", clean), recipe.cameras)
        for clean in short.values()
    }
    views = _view_all(recipe, clips, short, rigs)
    subjects = {
        split: [short[name] for name in dict.fromkeys(clips.subject[clips.split == split].tolist())]
        for split in SPLITS
    }
    for split, names in subjects.items():
        if names and not views.counts[split]["frames"]:
            raise ValueError(
                f"No camera ever sees a whole person of the split {split} ({', '.join(names)}); "
                "check the motions, or give clips that stay within a few metres."
            )
    _write_arrays(folder, recipe, views.rows)
    cameras = {(s, camera): entry for s, rig in rigs.items() for camera, entry in rig.items()}
    (folder / "annotation_body3d" / "cameras.pkl").write_bytes(pickle.dumps(cameras, protocol=4))
    (folder / "clips.json").write_text(json.dumps(views.entries, indent=1))
    save_motions(folder / "reference_poses.npz", _only(clips, clips.split == "train"))
    meta = {
        "name": NAME,
        "version": _VERSION,
        "arguments": asdict(recipe),
        "subjects": subjects,
        "counts": views.counts,
        "image_size": [IMAGE_SIZE, IMAGE_SIZE],
        "units": "S: camera-frame metres; part, center and detections: px of the 1000 x 1000 px "
        "image (integers are pixel centres); scale: side of the box / 200 px; reference_poses.npz: "
        "world-frame metres, z up",
        "images": "none: image names only carry person, clip, camera and frame",
        "dropped": "unseen: a joint outside of the image or nearer than 1 m to the camera; "
        "cut_off: seen, but not in the longest run of seen frames of the clip and camera",
        "notices": _notices(recipe.motions),
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))
    return meta


def _view_all(
    recipe: MocapRecipe, clips: MotionClips, short: dict[str, str], rigs: dict[str, dict]
) -> _Views:
    """See every clip through its person's rig."""
    views = _Views({split: [] for split in SPLITS}, [], {})
    for split in SPLITS:
        people = len(set(clips.subject[clips.split == split].tolist()))
        views.counts[split] = {"people": people, "clips": 0, "frames": 0, "unseen": 0, "cut_off": 0}
    numbers: dict[tuple[str, str], int] = {}
    for index in range(len(clips)):
        subject, split = short[str(clips.subject[index])], str(clips.split[index])
        action = _action_word(str(clips.action[index]))
        number = numbers[subject, action] = numbers.get((subject, action), 0) + 1
        name = f"{action}_{number}"
        seen, whole = _view_clip(clips.poses(index), rigs[subject], subject, name, recipe)
        kept = [len(row["imgname"]) for row in seen]
        count = views.counts[split]
        count["clips"] += 1
        count["frames"] += sum(kept)
        count["unseen"] += recipe.cameras * int(clips.length[index]) - whole
        count["cut_off"] += whole - sum(kept)
        views.rows[split].extend(row for row in seen if len(row["imgname"]))
        views.entries.extend(
            {
                "subject": subject,
                "split": split,
                "clip": name,
                "camera": camera,
                "action": action,
                "fps": recipe.fps,
                "frames": frames,
                "source": str(clips.clip[index]),
                "description": str(clips.action[index]),
            }
            for camera, frames in zip(rigs[subject], kept, strict=True)
            if frames
        )
    return views


def _view_clip(
    xyz: np.ndarray, rig: dict[str, dict], subject: str, name: str, recipe: MocapRecipe
) -> tuple[list[dict[str, np.ndarray]], int]:
    """Annotation rows of one clip (T, 17, 3) world metres, one dict per camera.

    Also the number of frames, over all cameras, that show the whole person. Of these only the
    longest run of each camera is kept: who reads the frames one after the other, as mmpose does,
    must not jump over a gap.
    """
    points, pixels = look_through(xyz, rig)
    inside = ((pixels >= 0.0) & (pixels <= IMAGE_SIZE - 1.0)).all((-1, -2))
    whole = inside & (points[..., 2] >= _NEAREST).all(-1)
    low, high = pixels.min(2), pixels.max(2)
    ones = np.ones((*pixels.shape[:3], 1))
    arrays = {
        "S": np.concatenate([points, ones], -1),
        "part": np.concatenate([pixels, ones], -1),
        "center": 0.5 * (low + high),
        "scale": _BOX * (high - low + 1.0).max(-1) / 200.0,
    }
    if recipe.noise is not None:
        rng = _generator(recipe.seed, "noise", subject, name)
        noisy = detector_noise(pixels, recipe.noise, rng, IMAGE_SIZE, clip=True)
        arrays["detection"] = np.concatenate([noisy, ones], -1)
    rows = []
    for index, (camera, frames) in enumerate(zip(rig, _longest_run(whole), strict=True)):
        stem = f"{subject}_{name}.{camera}"
        image_names = [
            f"{subject}/{stem}/{stem}_{frame + 1:06d}.jpg" for frame in np.flatnonzero(frames)
        ]
        row = {key: array[index][frames].astype(np.float32) for key, array in arrays.items()}
        rows.append({"imgname": np.array(image_names, dtype=str), **row})
    return rows, int(whole.sum())


def _longest_run(keep: np.ndarray) -> np.ndarray:
    """Of every row of (C, T) the longest run of True (the first of equals)."""
    padded = np.pad(keep, ((0, 0), (1, 1))).astype(np.int8)
    step = np.diff(padded, axis=1)
    out = np.zeros_like(keep)
    for row, change in enumerate(step):
        start, end = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
        if len(start):
            best = int((end - start).argmax())
            out[row, start[best] : end[best]] = True
    return out


def _write_arrays(folder: Path, recipe: MocapRecipe, rows: dict[str, list[dict]]) -> None:
    annotations, detections = folder / "annotation_body3d", folder / "joint_2d_det"
    annotations.mkdir()
    if recipe.noise is not None:
        detections.mkdir()
    for split, parts in rows.items():
        if not parts:
            continue
        arrays = {key: np.concatenate([row[key] for row in parts]) for key in parts[0]}
        noisy = arrays.pop("detection", None)
        if noisy is not None:
            np.save(detections / f"{split}_noise{recipe.noise_name}.npy", noisy)
        np.savez_compressed(annotations / f"{split}.npz", **arrays)


def _only(clips: MotionClips, wanted: np.ndarray) -> MotionClips:
    """The clips where ``wanted`` (clips,) is True."""
    length = clips.length[wanted]
    labels = ("subject", "clip", "action", "split")
    return MotionClips(
        clips.xyz[np.repeat(wanted, clips.length)],
        np.cumsum(length) - length,
        length,
        clips.fps,
        *(getattr(clips, name)[wanted] for name in labels),
    )


def _notices(motions: Sequence[str]) -> list[str]:
    """Licence and acknowledgement texts that npz files of motions carry."""
    found = []
    for path in map(Path, motions):
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as data:
                found += [str(data[key]) for key in data.files if key.lower() in _NOTICES]
    return list(dict.fromkeys(found))
