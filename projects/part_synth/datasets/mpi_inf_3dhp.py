"""MPI-INF-3DHP in mmpose's preprocessed layout, joints brought into Human3.6M order by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from part_synth.datasets.annotation_file import (
    first_existing,
    read_annotations,
    read_cameras,
    require_root,
    split_image_names,
)
from part_synth.datasets.frame_index import LAYOUTS, FrameIndex
from part_synth.datasets.frame_tables import CameraTable, SequenceTable
from part_synth.geometry import skeleton_from_names

# Order in mmpose's npz files (the order of the data set's own test annotations).
MPI_INF_3DHP_JOINTS = (
    "head_top",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "root",
    "spine",
    "head",
)

# Most training videos run at 25 frames per second, these at 50 (the data set's own description).
_FAST_CLIPS = frozenset(
    {("S1", "Seq2"), ("S3", "Seq1"), ("S3", "Seq2"), ("S5", "Seq1"), ("S5", "Seq2")}
)
_FPS, _FAST_FPS = 25.0, 50.0

# The data set's world has y up and its floor at y = 0; ours has z up: (x, y, z) -> (x, -z, y).
_Z_UP_FROM_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])

_TRAIN_STEM = re.compile(r"(?P<subject>S\d+)_(?P<clip>Seq\d+)_(?P<camera>Cam\d+)")
_TEST_STEM = re.compile(r"(?P<subject>TS\d+)")


@LAYOUTS.register_module(name="mpi_inf_3dhp")
class MpiInf3dhpFrames(FrameIndex):
    """Frames of MPI-INF-3DHP as mmpose's ``preprocess_mpi_inf_3dhp.py`` writes them.

    The files::

        <root>/images/S1_Seq1_Cam0_000001.jpg, TS1_000001.jpg
        <root>/annotations/mpi_inf_3dhp_train.npz, cameras_train.pkl
        <root>/annotations/mpi_inf_3dhp_test_valid.npz, cameras_test.pkl

    Joints are taken over BY NAME. Limbs, root and spine have the same meaning in both sets (an
    ankle is Human3.6M's "foot"). Along the neck the names differ for the same places:
    ``neck`` (where the neck leaves the trunk, between the shoulders) becomes ``thorax``, ``head``
    (under the chin, where skull and neck meet) becomes ``neck_base`` (which in Human3.6M's
    pictures is seen at the chin, too), and ``head_top`` becomes ``head`` (in Human3.6M the upper
    skull). 3DHP's two neck joints lie a little nearer together and its ``head_top`` a little
    higher than Human3.6M's.

    Cameras: ``R`` and ``T`` of ``cameras_train.pkl`` lead from the WORLD to the CAMERA,
    ``X_cam = R X_world + T``, other than in mmpose's Human3.6M file: read so, the optical axes of
    a scene meet near its middle and the people stand on its floor; read the other way they do
    not. The world has y up and is turned to z up here. The test cameras have no ``R`` and ``T``.
    The image heights in ``cameras_train.pkl`` are sometimes cut off (204 for 2048), so sizes that
    don't hold the principal point are ignored.
    """

    layout = "mpi_inf_3dhp"
    annotation_patterns = ("annotations/mpi_inf_3dhp_*.npz",)

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
        camera_file: str | None = "",
        fps: float | None = None,
        require_labels: bool = True,
        check_images: bool = True,
    ) -> MpiInf3dhpFrames:
        """Read annotations and cameras.

        Args:
            root (str | Path): Folder of the data set.
            ann_file (str | None): Annotation file relative to the root; None = the split's.
            split (str | None): 'train' or 'test'; None reads like 'train'. There is no 'val': keep
                some of the people (``subjects``) of 'train' for it.
            subjects (Sequence[str] | None): People to keep, S1 .. S8 or TS1 .. TS6.
            actions (Sequence[str] | None): The data set names no activities: must be None.
            cameras (Sequence[str] | None): Cameras to keep, Cam0 .. Cam8.
            image_dir (str): Folder of the images relative to the root.
            part_dir (str): Folder of part labels relative to the root; ignored if absent.
            camera_file (str | None): Camera file relative to the root; '' = the split's, None = not
                calibrated.
            fps (float | None): Frames per second of the videos. Default: 25, or 50 for the five
                videos recorded so.
            require_labels (bool): False accepts annotation files without joints.
            check_images (bool): Look for the first image of every clip.

        Returns:
            MpiInf3dhpFrames: The frames that pass the filters, joints in Human3.6M order.

        Raises:
            FileNotFoundError: If the root, a file of it or the first image of a clip is missing.
            ValueError: If a file holds something else, or no frame passes the filters.
        """
        root = require_root(root)
        if actions is not None:
            raise ValueError("MPI-INF-3DHP names no activities; leave `actions` out.")
        kind = split or "train"
        if kind not in ("train", "test"):
            raise ValueError(
                f"MPI-INF-3DHP has the splits 'train' and 'test', not '{kind}'. Use split='train' "
                "and choose people by `subjects`."
            )
        if ann_file is None:
            names = {
                "train": ["annotations/mpi_inf_3dhp_train.npz"],
                "test": [
                    "annotations/mpi_inf_3dhp_test_valid.npz",
                    "annotations/mpi_inf_3dhp_test_all.npz",
                ],
            }[kind]
            path = first_existing(root, names, f"annotation file of the split '{kind}'")
        else:
            path = root / ann_file
        arrays = read_annotations(path, require_labels)
        stems, sequence_id, frame = split_image_names(arrays["imgname"])
        parsed = [parse_3dhp_stem(stem) for stem in stems]
        if camera_file is None:
            camera_table = CameraTable.unknown(len(stems))
        else:
            camera_table = _read_camera_table(root, camera_file, stems)
        order = skeleton_from_names(MPI_INF_3DHP_JOINTS)
        joints, keypoints = arrays["S"][:, order], arrays["part"][:, order]
        index = cls(
            root=root,
            image_names=np.char.encode(arrays["imgname"].astype(str), "utf-8"),
            sequence_id=sequence_id,
            camera_id=sequence_id,
            frame=frame,
            joints=np.ascontiguousarray(joints[..., :3]),
            joints_visible=np.ascontiguousarray(joints[..., 3]),
            keypoints=np.ascontiguousarray(keypoints[..., :2]),
            keypoints_visible=np.ascontiguousarray(keypoints[..., 2]),
            center=arrays["center"],
            scale=arrays["scale"],
            sequences=_sequence_table(parsed, fps),
            cameras=camera_table,
            image_dir=root / image_dir,
            part_dir=root / part_dir if (root / part_dir).is_dir() else None,
        )
        index = index.filter(subject=subjects, camera=cameras)
        if check_images:
            index.check_images()
        return index


def parse_3dhp_stem(stem: str) -> tuple[str, str, str]:
    """Take ``S1_Seq1_Cam0`` or ``TS1`` apart.

    Args:
        stem (str): File name of an image without frame number and ending.

    Returns:
        tuple[str, str, str]: Subject, clip, camera. A test subject has one clip, named like it, and
        one camera, ``Cam0``.

    Raises:
        ValueError: If it is named in another way.
    """
    match = _TRAIN_STEM.fullmatch(stem)
    if match is not None:
        return match["subject"], match["clip"], match["camera"]
    match = _TEST_STEM.fullmatch(stem)
    if match is not None:
        return match["subject"], match["subject"], "Cam0"
    raise ValueError(
        f"'{stem}' is not named like an image of MPI-INF-3DHP (S1_Seq1_Cam0 or TS1). Check "
        "`layout` and `ann_file`."
    )


def _sequence_table(parsed: list[tuple[str, str, str]], fps: float | None) -> SequenceTable:
    """Table of the sequences."""
    if fps is not None and not fps > 0:
        raise ValueError(f"`fps` must be positive, got {fps}.")
    rates = [
        fps or (_FAST_FPS if (subject, clip) in _FAST_CLIPS else _FPS)
        for subject, clip, _ in parsed
    ]
    subject, clip, camera = (np.array(column) for column in zip(*parsed, strict=True))
    return SequenceTable(
        subject=subject,
        action=np.full(len(parsed), ""),
        clip=clip,
        camera=camera,
        fps=np.array(rates),
        moving=np.zeros(len(parsed), dtype=bool),
        # The two sequences of a person were recorded in other clothes and before other backdrops.
        background=np.array(["_".join(names) for names in parsed]),
    )


def _read_camera_table(root: Path, camera_file: str, stems: list[str]) -> CameraTable:
    """One camera per sequence; keys of the file are the stems of the image names."""
    kinds = sorted({"test" if stem.startswith("TS") else "train" for stem in stems})
    if camera_file:
        paths = [root / camera_file]
    else:
        names = [[f"annotations/cameras_{kind}.pkl", f"cameras_{kind}.pkl"] for kind in kinds]
        paths = [first_existing(root, candidates, "camera file") for candidates in names]
    cameras = {key: camera for path in paths for key, camera in read_cameras(path).items()}
    missing = [stem for stem in stems if stem not in cameras]
    if missing:
        raise ValueError(
            f"{', '.join(map(str, paths))} has no camera '{missing[0]}' ({len(missing)} of "
            f"{len(stems)} are missing). Fetch the right file, or set `camera_file=None` to go "
            "without calibration."
        )
    return CameraTable.stack([_camera_row(cameras[stem], stem) for stem in stems])


def _camera_row(camera: dict, name: str) -> CameraTable:
    """One camera; see :class:`MpiInf3dhpFrames` for the convention."""
    row = CameraTable.unknown(1)
    try:
        row.focal[0] = np.asarray(camera["f"], dtype=np.float64).reshape(2)
        row.centre[0] = np.asarray(camera["c"], dtype=np.float64).reshape(2)
        if "R" in camera and "T" in camera:
            rotation = np.asarray(camera["R"], dtype=np.float64).reshape(3, 3)
            translation = np.asarray(camera["T"], dtype=np.float64).reshape(3)
            row.rotation[0] = rotation @ _Z_UP_FROM_Y_UP.T
            row.position[0] = _Z_UP_FROM_Y_UP @ (-rotation.T @ translation)
        size = np.array([camera.get("w", np.nan), camera.get("h", np.nan)], dtype=np.float64)
        if (row.centre[0] < size).all():
            row.size[0] = size
    except ValueError as error:
        raise ValueError(
            f"camera '{name}': {error}. Expected R (3, 3), T (3, 1), f (2, 1), c (2, 1)."
        ) from error
    return row
