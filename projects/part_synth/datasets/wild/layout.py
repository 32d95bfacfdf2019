"""People in one's own videos, as ``prepare_videos`` writes them: no labels, no calibration.

Symbols: N people in frames.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from part_synth.datasets.annotation_file import require_root
from part_synth.datasets.frame_index import LAYOUTS, NUM_JOINTS, FrameIndex
from part_synth.datasets.frame_tables import CameraTable, SequenceTable

# Frame numbers are milliseconds, so that rates that vary need no care.
FRAMES_PER_SECOND = 1000.0
# Arrays of a video's file -> shape after the first axis.
ARRAYS = {
    "time_ms": (),
    "person": (),
    "clip": (),
    "center": (2,),
    "scale": (),
    "keypoints": (NUM_JOINTS, 3),
}


@LAYOUTS.register_module(name="wild")
class WildFrames(FrameIndex):
    """Clips of people in videos without labels.

    The files::

        <root>/images/street/street_00001400.jpg    frame at 1.4 s; people share it
        <root>/annotations/street.npz               who is where, see ``ARRAYS``
        <root>/videos/street.json                   where it comes from, whether the camera moves
        <root>/backgrounds/street.png               the empty scene, where the camera stands still

    Each video is a camera, ``street``; each person of it a subject, ``street.p0``, with clips
    ``c0``, ``c1``, ... 3D joints are NaN, 2D joints too where nobody found them; nothing is known
    of the cameras. Frame numbers are milliseconds.
    """

    layout = "wild"
    annotation_patterns = ("annotations/*.npz",)
    labelled = False

    @classmethod
    def from_disk(
        cls,
        root: str | Path,
        ann_file: str | None = None,
        split: str | None = None,
        subjects: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        cameras: Sequence[str] | None = None,
        moving: bool | None = None,
        require_keypoints: bool = False,
        image_dir: str = "images",
        check_images: bool = True,
    ) -> WildFrames:
        """Read all videos.

        Args:
            root (str | Path): Folder that ``prepare_videos`` made.
            ann_file (str | None): One video's file relative to the root; None reads all.
            split (str | None): There are none: None, or 'train', which is everything.
            subjects (Sequence[str] | None): People to keep, such as 'street.p0'.
            actions (Sequence[str] | None): Must be None.
            cameras (Sequence[str] | None): Videos to keep.
            moving (bool | None): False keeps the videos of cameras that stand still, True the
                others, None all.
            require_keypoints (bool): Refuse a set without 2D joints.
            image_dir (str): Folder of the images relative to the root.
            check_images (bool): Look for the first image of every clip.

        Returns:
            WildFrames: The frames that pass the filters.

        Raises:
            FileNotFoundError: If the root, a file of it or the first image of a clip is missing.
            ValueError: If a file holds something else, or no frame passes the filters.
        """
        root = _require_wild(Path(root).expanduser())
        if split not in (None, "train") or actions is not None:
            raise ValueError(
                "A set of one's own videos has no splits and no actions; leave `split` and "
                "`actions` out and choose people by `subjects` or videos by `cameras`."
            )
        records = [json.loads(p.read_text()) for p in sorted((root / "videos").glob("*.json"))]
        records = [record for record in records if record["clips"]]
        if ann_file is not None:
            records = [r for r in records if f"annotations/{r['name']}.npz" == str(ann_file)]
        if not records:
            raise ValueError(
                f"{root} holds no clip{'' if ann_file is None else f' of {ann_file}'}. Run "
                "`python tools/dataset_converters/prepare_videos.py VIDEOS --out "
                f"{root}` and see in summary.json why clips were dropped."
            )
        kept = [r for r in records if moving is None or r["moving_camera"] == moving]
        if not kept:
            raise ValueError(
                f"{root}: the cameras of all {len(records)} videos "
                f"{'stand still' if moving else 'move'}. Set `layout_options=dict(moving=None)`"
                f"{'' if moving else ' and `background=None` of the crop'}."
            )
        index = _assemble(cls, root, kept, image_dir)
        if require_keypoints and not np.isfinite(index.keypoints).all((1, 2)).any():
            raise ValueError(
                f"{root} has no frame with all 2D joints. Prepare the videos with --pose2d, or "
                "--keypoints."
            )
        index = index.filter(subject=subjects, camera=cameras)
        if check_images:
            index.check_images()
        return index

    def background_path(self, name: str) -> Path | None:
        """The picture of a video's empty scene."""
        path = self.root / "backgrounds" / f"{name}.png"
        return path if path.is_file() else None


def _require_wild(root: Path) -> Path:
    if not (root / "videos").is_dir():
        if not root.is_dir():
            require_hint = f"There is no data set at {root}."
        else:
            require_hint = f"{root} is no set of prepared videos: it has no folder `videos`."
        raise FileNotFoundError(
            f"{require_hint} Make one with `python tools/dataset_converters/prepare_videos.py "
            f"VIDEOS --out {root}`, or set `data_root`."
        )
    return require_root(root)


def _assemble(cls: type[WildFrames], root: Path, records: list[dict], image_dir: str) -> WildFrames:
    tables = [_read_video(root, record["name"]) for record in records]
    columns = {key: np.concatenate([table[key] for table in tables]) for key in tables[0]}
    count = len(columns["person"])
    video = np.repeat(np.arange(len(records)), [len(table["person"]) for table in tables])
    keys = np.stack([video, columns["person"], columns["clip"]], axis=1)
    keys, sequence_id = np.unique(keys, axis=0, return_inverse=True)
    names = np.array([record["name"] for record in records])
    camera = names[keys[:, 0]]
    moving = np.array([record["moving_camera"] for record in records])
    return cls(
        root=root,
        image_names=columns["image"],
        sequence_id=sequence_id.reshape(-1).astype(np.int32),
        camera_id=np.zeros(count, dtype=np.int32),
        frame=columns["time_ms"].astype(np.int32),
        joints=np.full((count, NUM_JOINTS, 3), np.nan, dtype=np.float32),
        joints_visible=np.zeros((count, NUM_JOINTS), dtype=np.float32),
        keypoints=np.ascontiguousarray(columns["keypoints"][..., :2], dtype=np.float32),
        keypoints_visible=np.ascontiguousarray(columns["keypoints"][..., 2], dtype=np.float32),
        center=columns["center"].astype(np.float32),
        scale=columns["scale"].astype(np.float32),
        sequences=SequenceTable(
            subject=np.array([f"{names[v]}.p{p}" for v, p, _ in keys.tolist()]),
            action=np.full(len(keys), ""),
            clip=np.array([f"c{c}" for c in keys[:, 2].tolist()]),
            camera=camera,
            fps=np.full(len(keys), FRAMES_PER_SECOND),
            moving=moving[keys[:, 0]],
            background=camera,
        ),
        cameras=CameraTable.unknown(1),
        image_dir=root / image_dir,
    )


def _read_video(root: Path, name: str) -> dict[str, np.ndarray]:
    path = root / "annotations" / f"{name}.npz"
    again = "Delete its file in `videos` and prepare the video again."
    if not path.is_file():
        raise FileNotFoundError(f"There is no annotation file {path}. {again}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ARRAYS}
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise ValueError(f"{path} can't be read ({error}). {again}") from error
    count = len(arrays["person"])
    for key, shape in ARRAYS.items():
        if arrays[key].shape != (count, *shape):
            raise ValueError(f"{path}: `{key}` has shape {arrays[key].shape}. {again}")
    images = [f"{name}/{image_file(name, ms)}" for ms in arrays["time_ms"].tolist()]
    return {"image": np.char.encode(np.array(images), "utf-8"), **arrays}


def image_file(name: str, time_ms: int) -> str:
    """File name of the frame of a video at a time in milliseconds."""
    return f"{name}_{time_ms:08d}.jpg"
