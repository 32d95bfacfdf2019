"""Human3.6M in mmpose's preprocessed layout; the embedded synthetic set is written in it too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from part_synth.datasets.annotation_file import (
    first_existing,
    read_annotations,
    read_cameras,
    read_detections,
    require_root,
    split_image_names,
)
from part_synth.datasets.frame_index import LAYOUTS, FrameIndex
from part_synth.datasets.frame_tables import CameraTable, SequenceTable

# The usual protocol: five people to train on, two to test on.
H36M_PROTOCOL = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
# Frame numbers in the names of mmpose's images count the original 50 Hz video, also where only
# every fifth frame was kept.
H36M_FPS = 50.0

_STEM = re.compile(r"(?P<subject>[^_]+)_(?P<clip>.+)\.(?P<camera>[^.]+)")


def parse_h36m_stem(stem: str) -> tuple[str, str, str, str]:
    """Take ``S1_Directions_1.54138969`` apart.

    Args:
        stem (str): File name of an image without folder, frame number and ending.

    Returns:
        tuple[str, str, str, str]: Subject ``S1``, action ``Directions``, clip ``Directions_1``,
        camera ``54138969``.

    Raises:
        ValueError: If it is named in another way.
    """
    match = _STEM.fullmatch(stem)
    if match is None:
        raise ValueError(
            f"'{stem}' is not named SUBJECT_ACTION.CAMERA as Human3.6M's images are, like "
            "S1_Directions_1.54138969. Check `layout` and `ann_file`."
        )
    clip = match["clip"]
    return match["subject"], re.sub(r"[_ ]\d+$", "", clip), clip, match["camera"]


def camera_row(camera: dict, name: str) -> CameraTable:
    """One camera of mmpose's Human3.6M ``cameras.pkl``.

    There ``R`` and ``T`` lead from the camera to the world: ``X_world = R X_cam + T`` (so mmpose's
    ``SimpleCamera`` reads them), and T is the camera's position in metres.

    Args:
        camera (dict): Entry with ``R T c f`` and optionally ``k p w h``.
        name (str): For messages.

    Returns:
        CameraTable: One row.

    Raises:
        ValueError: If an entry has a wrong shape.
    """
    row = CameraTable.unknown(1)
    try:
        row.focal[0] = np.asarray(camera["f"], dtype=np.float64).reshape(2)
        row.centre[0] = np.asarray(camera["c"], dtype=np.float64).reshape(2)
        if "R" in camera and "T" in camera:
            row.rotation[0] = np.asarray(camera["R"], dtype=np.float64).reshape(3, 3).T
            row.position[0] = np.asarray(camera["T"], dtype=np.float64).reshape(3)
        if "k" in camera and "p" in camera:
            k = np.asarray(camera["k"], dtype=np.float64).reshape(3)
            p = np.asarray(camera["p"], dtype=np.float64).reshape(2)
            row.distortion[0] = k[0], k[1], p[0], p[1], k[2]
        if "w" in camera and "h" in camera:
            row.size[0] = camera["w"], camera["h"]
    except ValueError as error:
        raise ValueError(
            f"camera {name}: {error}. Expected R (3, 3), T (3, 1), f (2, 1), c (2, 1), k (3, 1), "
            "p (2, 1)."
        ) from error
    return row


@LAYOUTS.register_module(name="h36m")
class Human36mFrames(FrameIndex):
    """Frames of Human3.6M, or of any set written in the layout that mmpose made for it.

    The files::

    <root>/images/S1/S1_Walk_1.cam0/S1_Walk_1.cam0_000001.jpg
    <root>/parts/S1/S1_Walk_1.cam0/S1_Walk_1.cam0_000001.png   part labels, optional
    <root>/annotation_body3d/cameras.pkl                       keyed (subject, camera)
    <root>/annotation_body3d/{train,val,test}.npz              or mmpose's fps50/h36m_train.npz
    <root>/clips.json                                          frame rates, optional
    """

    layout = "h36m"
    annotation_patterns = ("annotation_body3d/*.npz", "annotation_body3d/fps*/h36m_*.npz")

    @classmethod
    def from_disk(
        cls,
        root: str | Path,
        ann_file: str | None = None,
        split: str | None = None,
        subjects: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        cameras: Sequence[str] | None = None,
        image_dir: str = "images",
        part_dir: str = "parts",
        camera_file: str | None = "annotation_body3d/cameras.pkl",
        fps: float | None = None,
        keypoint_file: str | None = None,
        require_labels: bool = True,
        check_images: bool = True,
    ) -> Human36mFrames:
        """Read annotations, cameras and clips.

        Args:
            root (str | Path): Folder of the data set.
            ann_file (str | None): Annotation file relative to the root. None looks for the split's
                file under its usual names.
            split (str | None): 'train', 'val' or 'test'. A set that brings ``clips.json`` says
                there which clips belong to it; otherwise the people of the Human3.6M protocol are
                kept (S1, S5, S6, S7, S8 to train, S9, S11 to test) unless ``subjects`` is given.
            subjects (Sequence[str] | None): People to keep.
            actions (Sequence[str] | None): Activities to keep.
            cameras (Sequence[str] | None): Cameras to keep.
            image_dir (str): Folder of the images relative to the root.
            part_dir (str): Folder of part labels relative to the root; ignored if absent.
            camera_file (str | None): Camera file relative to the root; None = not calibrated.
            fps (float | None): Frames per second that frame numbers count. Default: what
                ``clips.json`` says, else 50.
            keypoint_file (str | None): Detected 2D joints in place of the annotated ones: npy of
                (N, 17, 2 or 3) px in the order of the annotation file, relative to the root
                (mmpose's ``joint_2d_det`` files).
            require_labels (bool): False accepts annotation files without joints.
            check_images (bool): Look for the first image of every clip.

        Returns:
            Human36mFrames: The frames that pass the filters.

        Raises:
            FileNotFoundError: If the root, a file of it or the first image of a clip is missing.
            ValueError: If a file holds something else, or no frame passes the filters.
        """
        root = require_root(root)
        if ann_file is None:
            split_name = split or "train"
            path = first_existing(
                root,
                [
                    f"annotation_body3d/{split_name}.npz",
                    f"annotation_body3d/fps10/h36m_{split_name}.npz",
                    f"annotation_body3d/fps50/h36m_{split_name}.npz",
                ],
                f"annotation file of the split '{split_name}'",
            )
        else:
            path = root / ann_file
        arrays = read_annotations(path, require_labels)
        if keypoint_file is not None:
            detected = read_detections(root / keypoint_file, len(arrays["part"]))
            arrays["part"][..., :2] = detected
            # Visibility was of the annotated ones.
            arrays["part"][..., 2] = np.isfinite(detected).all(-1)
        clips = _read_clips(root / "clips.json")
        stems, sequence_id, frame = split_image_names(arrays["imgname"])
        parsed = [parse_h36m_stem(stem) for stem in stems]
        sequences = _sequence_table(parsed, clips, fps)
        camera_table, camera_id = _cameras_of(
            parsed, sequence_id, None if camera_file is None else root / camera_file
        )
        if sequences.moving.any():
            camera_table, camera_id = _cameras_of_frames(camera_table, camera_id, arrays, path)
        index = cls(
            root=root,
            image_names=np.char.encode(arrays["imgname"].astype(str), "utf-8"),
            sequence_id=sequence_id,
            camera_id=camera_id,
            frame=frame,
            joints=np.ascontiguousarray(arrays["S"][..., :3]),
            joints_visible=np.ascontiguousarray(arrays["S"][..., 3]),
            keypoints=np.ascontiguousarray(arrays["part"][..., :2]),
            keypoints_visible=np.ascontiguousarray(arrays["part"][..., 2]),
            center=arrays["center"],
            scale=arrays["scale"],
            sequences=sequences,
            cameras=camera_table,
            image_dir=root / image_dir,
            part_dir=root / part_dir if (root / part_dir).is_dir() else None,
        )
        if split is not None and clips:
            in_split = [clips.get(_clip_key(entry), {}).get("split") == split for entry in parsed]
            index = index.select(np.array(in_split)[sequence_id])
            if len(index) == 0:
                raise ValueError(
                    f"{path} has no clip that {root / 'clips.json'} counts to the split "
                    f"'{split}'. Choose another `split` or `ann_file`."
                )
        elif split in H36M_PROTOCOL and subjects is None:
            present = set(sequences.subject.tolist())
            subjects = [name for name in H36M_PROTOCOL[split] if name in present]
            if not subjects:
                raise ValueError(
                    f"{path} has none of the people {', '.join(H36M_PROTOCOL[split])} of the split "
                    f"'{split}', but {', '.join(sorted(present))}. Give `subjects` yourself."
                )
        index = index.filter(subject=subjects, action=actions, camera=cameras)
        if check_images:
            index.check_images()
        return index


def _clip_key(parsed: tuple[str, str, str, str]) -> tuple[str, str, str]:
    """Key of one sequence in ``clips.json``: subject, clip, camera."""
    subject, _, clip, camera = parsed
    return subject, clip, camera


def _read_clips(path: Path) -> dict[tuple[str, str, str], dict]:
    """``clips.json`` by subject, clip and camera; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(entries, dict):
            entries = entries.get("clips", list(entries.values()))
        return {
            (str(entry["subject"]), str(entry["clip"]), str(entry["camera"])): entry
            for entry in entries
        }
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a list of clips with `subject`, `clip` and `camera` ({error!r}). Make "
            "the data set again, or delete the file to go without frame rates."
        ) from error


def _sequence_table(
    parsed: list[tuple[str, str, str, str]], clips: dict, fps: float | None
) -> SequenceTable:
    """Table of the sequences, completed by ``clips.json``."""
    if fps is not None and not fps > 0:
        raise ValueError(f"`fps` must be positive, got {fps}.")
    entries = [clips.get(_clip_key(names), {}) for names in parsed]
    rates = [fps or entry.get("fps", H36M_FPS) for entry in entries]
    subject, action, clip, camera = (np.array(column) for column in zip(*parsed, strict=True))
    return SequenceTable(
        subject=subject,
        action=np.array(
            [entry.get("action") or name for entry, name in zip(entries, action, strict=True)]
        ),
        clip=clip,
        camera=camera,
        fps=np.array(rates, dtype=np.float64),
        moving=np.array([bool(entry.get("moving_camera", False)) for entry in entries]),
        # The cameras stood still while a person was recorded, in all of the person's clips.
        background=np.char.add(np.char.add(subject, "_"), camera),
    )


def _cameras_of_frames(
    table: CameraTable, camera_id: np.ndarray, arrays: dict[str, np.ndarray], path: Path
) -> tuple[CameraTable, np.ndarray]:
    """One camera per frame, for cameras that move.

    The annotation file then brings ``camera_rotation`` (N, 3, 3) world to camera and
    ``camera_position`` (N, 3) metres, and ``camera_focal`` (N, 2) px where the zoom differs from
    ``cameras.pkl``. Without them where the camera looked is not known.
    """
    count = len(camera_id)
    shapes = {"rotation": (3, 3), "position": (3,), "focal": (2,)}
    columns = {field.name: getattr(table, field.name)[camera_id] for field in fields(table)}
    columns["rotation"] = np.full((count, 3, 3), np.nan)
    columns["position"] = np.full((count, 3), np.nan)
    for name, shape in shapes.items():
        array = arrays.get(f"camera_{name}")
        if array is None:
            continue
        if array.shape != (count, *shape):
            raise ValueError(
                f"{path}: `camera_{name}` has shape {array.shape}, expected {(count, *shape)}."
            )
        columns[name] = array.astype(np.float64)
    return CameraTable(**columns), np.arange(count, dtype=np.int32)


def _cameras_of(
    parsed: list[tuple[str, str, str, str]],
    sequence_id: np.ndarray,
    path: Path | None,
) -> tuple[CameraTable, np.ndarray]:
    """Cameras and the row of every frame."""
    if path is None:
        return CameraTable.unknown(1), np.zeros(len(sequence_id), dtype=np.int32)
    cameras = read_cameras(path)
    keys = list(dict.fromkeys((subject, camera) for subject, _, _, camera in parsed))
    missing = [key for key in keys if key not in cameras]
    if missing:
        raise ValueError(
            f"{path} has no camera {missing[0]} ({len(missing)} of {len(keys)} are missing); its "
            "keys are (subject, camera). Fetch the right file, or set `camera_file=None` to go "
            "without calibration."
        )
    table = CameraTable.stack([camera_row(cameras[key], f"{key} of {path}") for key in keys])
    row = {key: i for i, key in enumerate(keys)}
    camera_of = np.array([row[subject, camera] for subject, _, _, camera in parsed], dtype=np.int32)
    return table, camera_of[sequence_id]
