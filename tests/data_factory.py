"""Small made data sets in the layouts that the package reads, for tests.

Pictures are stick figures over a textured backdrop: enough to test files, crops and geometry. All
made numbers are exact: pixels are projections of the joints, the centre of the first pixel is
(0, 0).
"""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import torch
from part_synth.geometry import H36M17, REST_DIRECTIONS, forward_kinematics

_LENGTHS = [0.13, 0.45, 0.43, 0.13, 0.45, 0.43, 0.23, 0.25, 0.12, 0.11]
_LENGTHS += [0.15, 0.28, 0.25, 0.15, 0.28, 0.25]
# Part label of every limb, by its child joint; the limbs of the trunk are torso and head.
_PART_OF_CHILD = {1: 2, 2: 12, 3: 13, 4: 2, 5: 9, 6: 10, 7: 2, 8: 2, 9: 1, 10: 1}
_PART_OF_CHILD |= {11: 2, 12: 3, 13: 4, 14: 2, 15: 6, 16: 7}
# Where MPI-INF-3DHP's joints are found in Human3.6M's order, written down by hand.
H36M_OF_3DHP = [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9]


def walking_poses(num_frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """A person on a walk that leads nowhere: (T, 17, 3) metres, world frame, z up, floor at 0."""
    time = np.arange(num_frames) / fps
    phase = 2 * np.pi * (time + rng.uniform()) / 1.1
    directions = np.repeat(np.array(REST_DIRECTIONS)[None], num_frames, axis=0)
    for hip, knee, elbow, shift in ((1, 2, 15, 0.0), (4, 5, 12, np.pi)):
        swing = 0.2 + 0.45 * np.sin(phase + shift)
        bend = 0.5 + 0.3 * np.cos(phase + shift)
        zero = np.zeros_like(swing)
        # Body frame: y down, z to the back. Thighs swing to the front, shanks fold to the back.
        directions[:, hip] = np.stack([zero, np.cos(swing), -np.sin(swing)], -1)
        directions[:, knee] = np.stack([zero, np.cos(bend), np.sin(bend)], -1)
        directions[:, elbow - 1] += np.stack([zero, zero, 0.3 * np.sin(phase + shift)], -1)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    lengths = torch.tensor(_LENGTHS, dtype=torch.float64) * rng.uniform(0.9, 1.1)
    body = forward_kinematics(
        torch.as_tensor(directions, dtype=torch.float64), lengths.expand(num_frames, -1)
    ).numpy()
    yaw = rng.uniform(0, 2 * np.pi) + 0.3 * time
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    left, down, back = body[..., 0], body[..., 1], body[..., 2]
    world = np.stack([cos * left - sin * back, sin * left + cos * back, -down], axis=-1)
    world[..., 2] -= world[..., 2].min()
    world[..., 0] += 0.4 * np.sin(0.7 * time)[:, None]
    return world


def look_at_camera(angle: float, height: float, distance: float, size: int) -> dict:
    """A camera in mmpose's Human3.6M convention (R, T: camera to world), aimed at the scene."""
    position = np.array([distance * np.cos(angle), distance * np.sin(angle), height])
    forward = np.array([0.0, 0.0, 0.9]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    focal = 1.3 * size
    return {
        "R": np.stack([right, down, forward], axis=1),
        "T": position[:, None],
        "f": np.full((2, 1), focal),
        "c": np.full((2, 1), size / 2 - 0.5),
        "k": np.zeros((3, 1)),
        "p": np.zeros((2, 1)),
        "w": size,
        "h": size,
    }


def view(world: np.ndarray, camera: dict) -> tuple[np.ndarray, np.ndarray]:
    """World joints (T, K, 3) to the camera frame, metres, and to pixels (T, K, 2)."""
    in_camera = (world - camera["T"][:, 0]) @ camera["R"]
    pixels = in_camera[..., :2] / in_camera[..., 2:] * camera["f"][:, 0] + camera["c"][:, 0]
    return in_camera, pixels


def draw_person(pixels: np.ndarray, backdrop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A stick figure (17, 2) over a backdrop: picture (H, W, 3) and part labels (H, W)."""
    image, labels = backdrop.copy(), np.zeros(backdrop.shape[:2], dtype=np.uint8)
    width = max(backdrop.shape[0] // 32, 1)
    for parent, child in H36M17.limbs:
        part = _PART_OF_CHILD[child]
        ends = [tuple(int(v) for v in np.rint(pixels[joint])) for joint in (parent, child)]
        cv2.line(image, *ends, (40 + 14 * part, 250 - 15 * part, 17 * part % 256), width)
        cv2.line(labels, *ends, part, width)
    return image, labels


def _annotate(pixels: np.ndarray, in_camera: np.ndarray, size: int) -> dict:
    inside = ((pixels > -0.5) & (pixels < size - 0.5)).all(-1, keepdims=True).astype(float)
    low, high = pixels.min(1), pixels.max(1)
    return {
        "center": (low + high) / 2,
        "scale": 1.2 * (high - low).max(-1) / 200,
        "part": np.concatenate([pixels, inside], -1),
        "S": np.concatenate([in_camera, inside], -1),
    }


def make_tiny_h36m(
    root,
    subjects=("S1", "S5", "S9"),
    actions=("Walk", "Wave 1"),
    cameras=("54138969", "60457274"),
    frames=12,
    fps=10.0,
    size=96,
    seed=0,
    parts=True,
    clips_json=True,
    moving_camera=False,
    unpaired=40,
):
    """Write a tiny data set in mmpose's Human3.6M layout.

    S9, S11 make the split 'test', S8 'val', all others 'train'; every split that has people gets an
    annotation file. Frame numbers count up by one from 1.

    Returns:
        Path: The root.
    """
    root, rng = Path(root), np.random.default_rng(seed)
    calibration, clips, splits = {}, [], {}
    for subject in subjects:
        split = {"S9": "test", "S11": "test", "S8": "val"}.get(subject, "train")
        backdrops = {}
        for number, name in enumerate(cameras):
            angle = 2 * np.pi * (number + rng.uniform(0, 0.5)) / len(cameras)
            calibration[subject, name] = look_at_camera(angle, rng.uniform(0.8, 2.2), 4.5, size)
            calibration[subject, name] |= {"id": name, "name": f"camera{number}"}
            noise = rng.integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
            backdrops[name] = cv2.resize(noise, (size, size))
        for action in actions:
            world = walking_poses(frames, fps, rng)
            for name in cameras:
                stem = f"{subject}_{action}.{name}"
                entry = {"subject": subject, "split": split, "clip": action, "camera": name}
                entry |= {"action": action.split(" ")[0], "fps": fps}
                clips.append({**entry, "moving_camera": moving_camera})
                in_camera, pixels = view(world, calibration[subject, name])
                names = [f"{subject}/{stem}/{stem}_{t + 1:06d}.jpg" for t in range(frames)]
                for t, image_name in enumerate(names):
                    image, labels = draw_person(pixels[t], backdrops[name])
                    _write(root / "images" / image_name, image)
                    if parts:
                        _write((root / "parts" / image_name).with_suffix(".png"), labels)
                rows = {"imgname": np.array(names), **_annotate(pixels, in_camera, size)}
                splits.setdefault(split, []).append(rows)
    folder = root / "annotation_body3d"
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        np.savez(
            folder / f"{split}.npz", **{k: np.concatenate([r[k] for r in rows]) for k in rows[0]}
        )
    (folder / "cameras.pkl").write_bytes(pickle.dumps(calibration))
    if clips_json:
        (root / "clips.json").write_text(json.dumps(clips))
    if unpaired:
        make_unpaired_poses(root / "unpaired_poses.npz", unpaired, seed + 1)
    return root


def make_unpaired_poses(path, frames=40, seed=1):
    """Write an npz of two clips of unpaired poses, one 'train', one 'test'."""
    rng = np.random.default_rng(seed)
    clips = [walking_poses(frames, 10.0, rng), walking_poses(frames // 2, 10.0, rng)]
    length = np.array([len(clip) for clip in clips])
    np.savez(
        path,
        xyz=np.concatenate(clips).astype(np.float32),
        start=np.cumsum(length) - length,
        length=length,
        fps=np.float32(10.0),
        joint_names=np.array(H36M17.joint_names),
        parents=np.array(H36M17.parents),
        subject=np.array(["P1", "P2"]),
        clip=np.array(["P1_walk", "P2_walk"]),
        action=np.array(["walk", "stroll"]),
        split=np.array(["train", "test"]),
    )
    return Path(path)


def make_tiny_3dhp(root, subjects=("S1", "S2"), cameras=(0, 4), frames=8, size=96, seed=0):
    """Write a tiny data set in mmpose's MPI-INF-3DHP layout, with a test subject TS1.

    Returns:
        Path: The root.
    """
    root, rng = Path(root), np.random.default_rng(seed)
    z_up_from_y_up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    kinds = {"train": ({}, []), "test": ({}, [])}
    keys = [(f"{subject}_Seq1", f"_Cam{camera}") for subject in subjects for camera in cameras]
    walks = {}
    for clip, suffix in [*keys, ("TS1", "")]:
        calibration, rows = kinds["test" if clip == "TS1" else "train"]
        camera = look_at_camera(rng.uniform(0, 6.0), 1.5, 4.5, size)
        walks.setdefault(clip, walking_poses(frames, 25.0, rng))
        in_camera, pixels = view(walks[clip], camera)
        calibration[clip + suffix] = {"f": camera["f"], "c": camera["c"], "w": size, "h": size}
        if clip != "TS1":
            # World to camera, y up.
            rotation = camera["R"].T @ z_up_from_y_up
            translation = -camera["R"].T @ camera["T"]
            calibration[clip + suffix] |= {"R": rotation, "T": translation}
        names = [f"{clip}{suffix}_{t + 1:06d}.jpg" for t in range(frames)]
        backdrop = np.full((size, size, 3), (60, 140, 60), dtype=np.uint8)
        for t, name in enumerate(names):
            _write(root / "images" / name, draw_person(pixels[t], backdrop)[0])
        order = H36M_OF_3DHP
        annotations = _annotate(pixels[:, order], in_camera[:, order], size)
        rows.append({"imgname": np.array(names), **annotations})
    folder = root / "annotations"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, file in (("train", "mpi_inf_3dhp_train"), ("test", "mpi_inf_3dhp_test_valid")):
        calibration, rows = kinds[kind]
        np.savez(
            folder / f"{file}.npz", **{k: np.concatenate([r[k] for r in rows]) for k in rows[0]}
        )
        (folder / f"cameras_{kind}.pkl").write_bytes(pickle.dumps(calibration))
    return root


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
