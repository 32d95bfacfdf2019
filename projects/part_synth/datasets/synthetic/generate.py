"""Make one person's images, or one portion of the unpaired poses: the tasks of the workers.

A task depends on the recipe and its own name only, not on the order or the process it runs in.
It writes its images first and its annotation file last, by renaming: a task whose file is there
is done.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch

from part_synth.datasets.synthetic.bodies import BodyModel, RestBody, sample_phenotype
from part_synth.datasets.synthetic.clip_source import CapturedMotion, MadeMotion, open_source
from part_synth.datasets.synthetic.clothing import Person, dress
from part_synth.datasets.synthetic.recipe import SPLITS, Recipe
from part_synth.datasets.synthetic.rendering import draw_person, floor_shadow, to_8bit
from part_synth.datasets.synthetic.retarget import PosedBody, retarget, skin
from part_synth.datasets.synthetic.rooms import Room, furnished_for, random_room, render_room
from part_synth.datasets.synthetic.scene import (
    Light,
    PinholeCamera,
    fit_focal,
    place_cameras,
    random_light,
)
from part_synth.datasets.synthetic.travel import travelling_cameras

TASK_FOLDER = "_tasks"
JPEG_QUALITY = 92
# Clips of one person stand on a circle, so that no place is covered most of the time and the
# temporal median of a camera is the empty room.
_CIRCLE_RADIUS = 0.68
_MAX_PATH_RADIUS = 0.25
UNPAIRED_CLIPS_PER_PERSON = 5
UNPAIRED_PEOPLE_PER_TASK = 5
_UNPAIRED_POSES_PER_TASK = 40 * UNPAIRED_CLIPS_PER_PERSON * UNPAIRED_PEOPLE_PER_TASK

Motions = MadeMotion | CapturedMotion


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep torch and OpenCV on one thread: sums in a fixed order, and no fight for cores."""
    torch_threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv_threads)


def task_names(recipe: Recipe) -> list[str]:
    """All tasks of a data set: one per person, then the unpaired poses."""
    portions = -(-recipe.unpaired_poses // _UNPAIRED_POSES_PER_TASK)
    people = [subject for subject, _, _ in recipe.people]
    return people + [f"unpaired{index}" for index in range(portions)]


def task_file(folder: Path, task: str) -> Path:
    """The annotation file of a task; it exists when the task is done."""
    return folder / TASK_FOLDER / f"{task}.npz"


def run_tasks(
    recipe: Recipe,
    folder: Path,
    tasks: list[str],
    body_model: BodyModel,
    report: Callable[[int], None],
) -> None:
    """Run the tasks that are not done yet.

    Args:
        recipe: of the data set.
        folder: the unfinished data set.
        tasks: names out of :func:`task_names`.
        body_model: shape space of the people.
        report: called with the number of images made since the last call.
    """
    motions = open_source(recipe)
    people = {subject: (split, index) for subject, split, index in recipe.people}
    with single_threaded():
        for task in tasks:
            if task_file(folder, task).exists():
                continue
            if task in people:
                arrays = _render_subject(
                    recipe, folder, task, *people[task], body_model, motions, report
                )
            else:
                arrays = _unpaired_portion(recipe, int(task[8:]), body_model, motions)
            _write_task_file(task_file(folder, task), arrays)


def _write_task_file(path: Path, arrays: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".writing")
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)
    os.replace(unfinished, path)


def _new_person(
    model: BodyModel, rng: np.random.Generator, clothes: str = "everyday"
) -> tuple[RestBody, Person]:
    phenotype, description = sample_phenotype(model, rng)
    body = model.rest_body(phenotype)
    person = dress(body, rng, female=description["sex"] == "female", vivid=clothes == "vivid")
    description["stature_m"] = round(body.stature, 3)
    person.description.update(description)
    return body, person


def _render_subject(
    recipe: Recipe,
    folder: Path,
    subject: str,
    split: str,
    index: int,
    model: BodyModel,
    motions: Motions,
    report: Callable[[int], None],
) -> dict:
    """Write all images and labels of one person; returns the arrays of the task file."""
    rng = np.random.default_rng([recipe.seed, 1, SPLITS.index(split), index])
    _, person = _new_person(model, rng, recipe.clothes)
    rooms = _EmptyRoom(random_room(rng), random_light(rng), recipe.size)

    posed, clips = [], []
    turn = rng.uniform(0, 2 * np.pi)
    for number, frames in enumerate(recipe.clip_lengths):
        driving = motions.rendered(split, index, number, frames, rng)
        # Consecutive clips on far sides of the circle; the circle is covered evenly.
        angle = turn + 2 * np.pi * (2 * number) / max(len(recipe.clip_lengths), 2)
        centre = (_CIRCLE_RADIUS * np.cos(angle), _CIRCLE_RADIUS * np.sin(angle))
        posed.append(retarget(person.body, driving.xyz, rng, centre, _MAX_PATH_RADIUS))
        clips.append(
            {"action": driving.action, "clip": f"{driving.action}_{number + 1}"}
            | {"motion": driving.origin, "frames": frames}
        )
    cameras = _cameras_of_subject(recipe, person.body, posed, rng)

    rows: dict[str, list] = {}
    for number, (clip, pose) in enumerate(zip(clips, posed, strict=True)):
        views = [camera[number] for camera in cameras]
        for key, values in _render_clip(
            recipe, folder, subject, clip["clip"], person, pose, rooms, views, rng
        ).items():
            rows.setdefault(key, []).extend(values)
        report(clip["frames"] * recipe.cameras)
    information = [
        {"subject": subject, "split": split, **clip, "camera": f"cam{c}", "fps": recipe.fps}
        | {"moving_camera": recipe.moving_camera, "background": f"room_{subject}"}
        | {"room": rooms.room.words, "person": person.description}
        for clip in clips
        for c in range(recipe.cameras)
    ]
    entries = {
        f"cam{c}": views[0][0].to_h36m(recipe.size, c, f"cam{c}") for c, views in enumerate(cameras)
    }
    arrays = {key: np.array(values) for key, values in rows.items()}
    for key in ("R", "T", "f", "c"):
        arrays[f"camera_{key}"] = np.stack([entry[key] for entry in entries.values()])
    return arrays | {"split": split, "clips": json.dumps(information)}


def _cameras_of_subject(
    recipe: Recipe, body: RestBody, posed: list[PosedBody], rng: np.random.Generator
) -> list[list[list[PinholeCamera]]]:
    """Views indexed [camera][clip][frame]; a camera that stands still repeats one view."""
    outline = [_outline(body, pose) for pose in posed]
    spots = place_cameras(recipe.cameras, rng, recipe.camera_distance, recipe.camera_height)
    if recipe.moving_camera:
        return [
            [travelling_cameras(spot, points, recipe.size, recipe.fps, rng) for points in outline]
            for spot in spots
        ]
    cameras = []
    everything = np.concatenate(outline)
    for spot in spots:
        view = spot.view(fit_focal(spot.view(), everything, recipe.size), recipe.size)
        cameras.append([[view] * len(points) for points in outline])
    return cameras


def _outline(body: RestBody, pose: PosedBody) -> np.ndarray:
    """A few hundred surface points (T, N, 3) in the world."""
    picked = np.arange(0, len(body.vertices), 31)
    points = skin(
        torch.as_tensor(body.weights[picked], dtype=torch.float64),
        torch.as_tensor(body.vertices[picked], dtype=torch.float64),
        pose.matrices(body),
    )
    return torch.cat([points, pose.joints], dim=1).numpy()


class _EmptyRoom:
    """A lit room; the picture of a camera that stands still is drawn once."""

    def __init__(self, room: Room, light: Light, size: int):
        self.room, self.light, self.size = room, light, size
        self._drawn: dict[int, tuple[PinholeCamera, np.ndarray]] = {}

    def filmed_by(self, views: list[PinholeCamera]) -> Callable[[PinholeCamera], np.ndarray]:
        """A function from the views of one camera to pictures (size, size, 3) RGB in [0, 1]."""
        room = furnished_for(self.room, views)
        still = all(view is views[0] for view in views)

        def seen(view: PinholeCamera) -> np.ndarray:
            if not still:
                return render_room(room, self.light, view, self.size, supersample=2)
            if id(view) not in self._drawn:
                # The view is kept too, so that its id is not given to another one.
                self._drawn[id(view)] = (view, render_room(room, self.light, view, self.size))
            return self._drawn[id(view)][1]

        return seen


def _render_clip(
    recipe: Recipe,
    folder: Path,
    subject: str,
    clip: str,
    person: Person,
    pose: PosedBody,
    rooms: "_EmptyRoom",
    views: list[list[PinholeCamera]],
    rng: np.random.Generator,
) -> dict[str, list]:
    """Images, labels and annotation rows of one clip in all cameras."""
    body, labels = person.body, person.body.part_labels
    weights = torch.as_tensor(body.weights, dtype=torch.float32)
    matrices = pose.matrices(body).float()
    vertices = skin(weights, torch.as_tensor(body.vertices).float(), matrices).numpy()
    matrices[..., 3] = 0
    normals = skin(weights, torch.as_tensor(body.normals).float(), matrices).numpy()
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    colours = np.clip(person.colours * rooms.light.shade(normals), 0, 1)
    joints = pose.joints.numpy()

    rows: dict[str, list] = {}
    for camera, camera_views in enumerate(views):
        stem = f"{subject}/{subject}_{clip}.cam{camera}"
        for kind in ("images", "parts"):
            (folder / kind / stem).mkdir(parents=True, exist_ok=True)
        seen = rooms.filmed_by(camera_views)
        for frame, view in enumerate(camera_views):
            background = seen(view)
            shadow = floor_shadow(vertices[frame], rooms.light, view, recipe.size, rooms.room.half)
            image, parts = draw_person(
                vertices[frame],
                body.faces,
                colours[frame],
                labels,
                view,
                background * shadow[..., None],
            )
            name = f"{stem}/{subject}_{clip}.cam{camera}_{frame + 1:06d}"
            _write_image(folder / "images" / f"{name}.jpg", to_8bit(image, rng)[..., ::-1])
            _write_image(folder / "parts" / f"{name}.png", parts)
            row = _annotation(f"{name}.jpg", joints[frame], view, parts)
            for key, value in row.items():
                rows.setdefault(key, []).append(value)
    return rows


def _write_image(path: Path, image: np.ndarray) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
    if not cv2.imwrite(str(path), np.ascontiguousarray(image), options):
        raise OSError(f"could not write {path}; is the disk full?")


def _annotation(name: str, joints: np.ndarray, view: PinholeCamera, parts: np.ndarray) -> dict:
    """One row of the annotation file, in the units and frames of mmpose's Human3.6M files."""
    camera_joints = view.to_camera(joints)
    ones = np.ones((len(joints), 1))
    rows, columns = np.nonzero(parts)
    if not len(rows):
        raise RuntimeError(f"no pixel of the person is in {name}; this is a fault of the renderer")
    low = np.array([columns.min(), rows.min()], dtype=np.float64)
    high = np.array([columns.max(), rows.max()], dtype=np.float64)
    return {
        "imgname": name,
        "S": np.concatenate([camera_joints, ones], axis=1),
        "part": np.concatenate([view.to_pixels(camera_joints), ones], axis=1),
        "center": 0.5 * (low + high),
        "scale": (high - low + 1).max() * 1.25 / 200.0,
        "camera_rotation": view.rotation,
        "camera_position": view.position,
        # A travelling camera zooms otherwise in every clip, which cameras.pkl can't say.
        "camera_focal": np.full(2, float(view.focal)),
    }


def _unpaired_portion(recipe: Recipe, portion: int, model: BodyModel, motions: Motions) -> dict:
    """Poses of people who are never rendered, in motions that are never rendered."""
    xyz, subjects, actions, lengths = [], [], [], []
    for member in range(UNPAIRED_PEOPLE_PER_TASK):
        number = portion * UNPAIRED_PEOPLE_PER_TASK + member
        rng = np.random.default_rng([recipe.seed, 2, number])
        phenotype, _ = sample_phenotype(model, rng)
        body = model.rest_body(phenotype)
        for clip in range(UNPAIRED_CLIPS_PER_PERSON):
            driving = motions.unpaired(number, clip, rng)
            posed = retarget(body, driving.xyz, rng, (0.0, 0.0), _MAX_PATH_RADIUS)
            xyz.append(posed.joints.numpy().astype(np.float32))
            subjects.append(f"U{number + 1}")
            actions.append(driving.action)
            lengths.append(len(driving.xyz))
    return {
        "xyz": np.concatenate(xyz),
        "length": np.array(lengths, dtype=np.int64),
        "subject": np.array(subjects),
        "action": np.array(actions),
    }
