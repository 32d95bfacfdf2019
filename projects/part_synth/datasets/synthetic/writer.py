"""Make a whole synthetic data set on disk: atomic, resumable, safe with several processes.

The set grows in a hidden folder beside its final place and is renamed at the very end, after its
``meta.json`` is written: a set at its final place is whole.
"""

import errno
import fcntl
import json
import os
import pickle
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from part_synth.datasets.synthetic.body_file import ensure_body_file, load_body_model
from part_synth.datasets.synthetic.clip_source import open_source
from part_synth.datasets.synthetic.contact_sheet import write_contact_sheet
from part_synth.datasets.synthetic.generate import TASK_FOLDER, run_tasks, task_file, task_names
from part_synth.datasets.synthetic.pool import default_workers, run_workers
from part_synth.datasets.synthetic.recipe import GENERATOR_VERSION, SPLITS, Recipe
from part_synth.geometry import H36M17

META = "meta.json"
_REQUEST = "_request.json"


def make_synthetic_mocap(
    out: str | Path,
    subjects: Sequence[int] = (32, 4, 4),
    cameras: int = 4,
    frames_per_subject: int = 100,
    size: int = 128,
    seed: int = 0,
    motions: str | Path | None = None,
    moving_camera: bool = False,
    workers: int | None = None,
    fps: float = 10.0,
    unpaired_poses: int = 100_000,
    clothes: str = "everyday",
    camera_distance: Sequence[float] = (4.6, 7.0),
    camera_height: Sequence[float] = (0.7, 3.0),
) -> Path:
    """Render people in motion in the layout of mmpose's Human3.6M, unless the set is there.

    Joints are read from the posed bodies. Image sizes and ``part`` are in px (integers are pixel
    centres), ``S`` in camera-frame metres, ``unpaired_poses.npz`` in world metres, z up.

    Args:
        out: folder of the data set.
        subjects: people in train, val and test; nobody, and no room or motion clip, is shared.
        cameras: synchronised cameras around each person.
        frames_per_subject: frames of each person in each camera, in clips of about 20.
        size: side of the square images, px.
        seed: same seed and arguments, same bytes, whatever the number of workers.
        motions: motion capture to use instead of made motion (see ``load_motions``).
        moving_camera: cameras travel instead of standing still.
        workers: processes; None takes one per core, 0 works in this process.
        fps: frames per second of the clips.
        unpaired_poses: least number of poses of other people in other motions.
        clothes: 'everyday' or 'vivid'.
        camera_distance: range of the cameras' distance, metres.
        camera_height: range of the cameras' height, metres.

    Returns:
        ``out`` as a path.

    Raises:
        ValueError: if an argument is out of range, ``motions`` can't be read or has too few people,
            or ``out`` holds something else.
        FileNotFoundError: if there is no file ``motions``.
        OSError: if the disk is too short.
    """
    recipe = Recipe(
        subjects=tuple(subjects),
        cameras=cameras,
        frames_per_subject=frames_per_subject,
        size=size,
        seed=seed,
        motions=None if motions is None else str(motions),
        moving_camera=moving_camera,
        fps=fps,
        unpaired_poses=unpaired_poses,
        clothes=clothes,
        camera_distance=tuple(camera_distance),
        camera_height=tuple(camera_height),
    )
    root = Path(out)
    if not _is_whole(root, recipe):
        root.parent.mkdir(parents=True, exist_ok=True)
        with _lock(root):
            # Another process may have made it while this one waited for the lock.
            if not _is_whole(root, recipe):
                _make(root, recipe, default_workers() if workers is None else int(workers))
    return root


def ensure_synthetic_mocap(root: str | Path, **recipe) -> Path:
    """Make the data set at ``root`` if it is not there; see :func:`make_synthetic_mocap`.

    Any number of processes may call this at once: one makes the set, the others wait for it.

    Args:
        root: folder of the data set.
        **recipe: arguments of :func:`make_synthetic_mocap` but ``out``.

    Raises:
        ValueError: if the set at ``root`` was made with other arguments.
    """
    return make_synthetic_mocap(root, **recipe)


def _is_whole(root: Path, recipe: Recipe) -> bool:
    """Whether the wanted set is at ``root``; a ValueError if something else is."""
    if (root / META).is_file():
        meta = json.loads((root / META).read_text())
        if meta.get("fingerprint") == recipe.fingerprint():
            return True
        wanted, found = recipe.arguments(), meta.get("arguments", {})
        changed = [
            f"{key} = {found.get(key, 'as usual')} (wanted {wanted.get(key, 'as usual')})"
            for key in {**found, **wanted}
            if found.get(key) != wanted.get(key)
        ]
        if meta.get("generator_version") != GENERATOR_VERSION:
            changed.append(
                f"generator version {meta.get('generator_version')} (wanted {GENERATOR_VERSION})"
            )
        raise ValueError(
            f"{root} holds a synthetic data set made with {', '.join(changed)}; name another "
            "folder, or delete this one to have it made anew"
        )
    if root.exists() and not root.is_dir():
        raise ValueError(f"{root} is a file; name a folder to make the synthetic data set in")
    if root.is_dir() and any(root.iterdir()):
        raise ValueError(
            f"{root} exists and is not a finished synthetic data set (it has no {META}); name "
            "another folder, or delete this one"
        )
    return False


@contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Let one process at a time make the set at ``root``; released when the process ends."""
    with open(root.parent / f".{root.name}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_log(f"Waiting for another process that makes {root}", logger="current")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def estimated_bytes(recipe: Recipe) -> int:
    """Disk a data set takes, from above: noisy JPEGs of about 0.5 byte per pixel, PNG labels."""
    per_image = 0.65 * recipe.size**2 + 6_000
    return int(recipe.num_images * per_image + 250 * recipe.unpaired_poses + 5_000_000)


def _check_disk(folder: Path, recipe: Recipe) -> None:
    needed, free = estimated_bytes(recipe), shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"the synthetic data set needs about {needed / 1e6:.0f} MB, but {folder} has "
            f"{free / 1e6:.0f} MB free; free some, choose another disk, or ask for fewer "
            "subjects or frames",
        )


def _make(root: Path, recipe: Recipe, workers: int) -> None:
    # Motions that can't be read are refused before anything is made.
    open_source(recipe)
    unfinished = root.parent / f".{root.name}.unfinished"
    request = json.dumps({"fingerprint": recipe.fingerprint()})
    if unfinished.exists() and not _same_request(unfinished / _REQUEST, request):
        print_log(f"Discarding {unfinished}: it was begun with other arguments", logger="current")
        shutil.rmtree(unfinished)
    resumed = unfinished.exists()
    if not resumed:
        _check_disk(root.parent, recipe)
    unfinished.mkdir(exist_ok=True)
    (unfinished / _REQUEST).write_text(request)
    note = "Continuing" if resumed else "Making"
    print_log(f"{note} {recipe.num_images} images of synthetic people in {root}", logger="current")

    body_file, tasks = ensure_body_file(), task_names(recipe)
    if workers:
        run_workers(recipe, unfinished, tasks, body_file, workers)
    else:
        run_tasks(recipe, unfinished, tasks, load_body_model(str(body_file)), lambda images: None)
    _assemble(unfinished, recipe)
    if root.is_dir():
        root.rmdir()  # empty, or _is_whole would have refused it
    os.replace(unfinished, root)
    print_log(f"Made {root}; look at {root / 'contact_sheet.png'}", logger="current")


def _same_request(path: Path, request: str) -> bool:
    return path.is_file() and path.read_text() == request


def _load(folder: Path, task: str) -> dict[str, np.ndarray]:
    with np.load(task_file(folder, task), allow_pickle=False) as data:
        return {key: data[key] for key in data.files}


def _assemble(folder: Path, recipe: Recipe) -> None:
    """Join the tasks' files into annotation files, and write ``meta.json`` last."""
    annotations = folder / "annotation_body3d"
    annotations.mkdir(exist_ok=True)
    cameras, clips, counts = {}, [], {}
    for split in SPLITS:
        subjects = [name for name, other, _ in recipe.people if other == split]
        parts = [_load(folder, name) for name in subjects]
        for name, part in zip(subjects, parts, strict=True):
            clips.extend(json.loads(str(part["clips"])))
            cameras.update(_camera_entries(recipe, name, part))
        counts[split] = sum(len(part["imgname"]) for part in parts)
        if parts:
            keys = ("imgname", "S", "part", "center", "scale")
            keys += ("camera_rotation", "camera_position", "camera_focal")
            columns = {key: np.concatenate([part[key] for part in parts]) for key in keys}
            _save_npz(annotations / f"{split}.npz", columns)
    (annotations / "cameras.pkl").write_bytes(pickle.dumps(cameras, protocol=4))
    (folder / "clips.json").write_text(json.dumps(clips, indent=1))
    counts["unpaired_poses"] = _write_unpaired(folder, recipe)
    write_contact_sheet(folder, folder / "contact_sheet.png")
    shutil.rmtree(folder / TASK_FOLDER)
    (folder / _REQUEST).unlink()
    meta = {
        "name": "SyntheticMocap",
        "generator_version": GENERATOR_VERSION,
        "fingerprint": recipe.fingerprint(),
        "arguments": recipe.arguments(),
        "counts": counts,
        "units": "metres and pixels (integers are pixel centres)",
    }
    (folder / META).write_text(json.dumps(meta, indent=1))


def _save_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def _camera_entries(recipe: Recipe, subject: str, part: dict) -> dict[tuple[str, str], dict]:
    """Entries of ``cameras.pkl``; of a moving camera, its first pose in the first clip."""
    return {
        (subject, f"cam{index}"): {
            "R": part["camera_R"][index],
            "T": part["camera_T"][index],
            "c": part["camera_c"][index],
            "f": part["camera_f"][index],
            "k": np.zeros((3, 1)),
            "p": np.zeros((2, 1)),
            "w": recipe.size,
            "h": recipe.size,
            "name": f"camera{index + 1}",
            "id": f"cam{index}",
        }
        for index in range(recipe.cameras)
    }


def _write_unpaired(folder: Path, recipe: Recipe) -> int:
    """``unpaired_poses.npz``: world-frame clips of people and motions that are not rendered."""
    portions = [_load(folder, name) for name in task_names(recipe)[len(recipe.people) :]]
    if not portions:
        return 0
    joined = {key: np.concatenate([part[key] for part in portions]) for key in portions[0]}
    length = joined["length"]
    joined["start"] = np.cumsum(length) - length
    joined["clip"] = np.array([f"{s}_{i}" for i, s in enumerate(joined["subject"])])
    joined["split"] = np.array(["train"] * len(length))
    joined["fps"] = np.float32(recipe.fps)
    joined["joint_names"] = np.array(H36M17.joint_names)
    joined["parents"] = np.array(H36M17.parents, dtype=np.int64)
    _save_npz(folder / "unpaired_poses.npz", joined)
    return len(joined["xyz"])
