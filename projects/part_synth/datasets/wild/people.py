"""Where people are in the frames of a video: a detector, files, or the whole frame.

Symbols: P people of a frame. Boxes are left, top, right, bottom in px of the frame at hand, which
may be smaller than the file's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import DefaultScope
from torch import nn

from part_synth.datasets.wild.video_file import VideoFrame
from part_synth.geometry.keypoint_layouts import layouts_of_size, to_h36m17

# A box around joints ends short of hair, hands and soles by about a tenth of the person.
_AROUND_JOINTS = 0.1


@dataclass
class People:
    """The people of one frame.

    Attributes:
        boxes: (P, 4) px.
        scores: (P,) in [0, 1].
        ids: (P,) int64 who it is; None where the tracker has to say.
        keypoints: (P, 17, 3) px and score, Human3.6M's order; NaN where a joint is missing; None
            where nothing is known.
    """

    boxes: np.ndarray
    scores: np.ndarray
    ids: np.ndarray | None = None
    keypoints: np.ndarray | None = None


class WholeFrame:
    """One person, who may be anywhere in the frame: clips of one person."""

    # Side of the square crop over the box's larger side.
    margin = 1.0
    # Whether what lies outside of the boxes is background.
    bounds_people = False

    def find(self, frame: VideoFrame) -> People:
        """The frame's own borders."""
        height, width = frame.image.shape[:2]
        box = np.array([[0, 0, width, height]], dtype=np.float32)
        return People(box, np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64))


class DetectorPeople:
    """A detector of mmdet.

    Args:
        config: Its config.
        checkpoint: Its weights, a local file.
        device: Where it runs.
        min_score: Boxes with less are none.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model can't be built, or finds no people.
    """

    margin = 1.25
    bounds_people = True

    def __init__(
        self, config: str | Path, checkpoint: str | Path, device: str, min_score: float
    ) -> None:
        from mmdet.apis import init_detector
        from mmdet.utils import register_all_modules

        _require_files("detector", config, checkpoint)
        register_all_modules(init_default_scope=False)
        self._model = _built("detector", "mmdet", init_detector, config, checkpoint, device)
        self._min_score = min_score
        classes = tuple((self._model.dataset_meta or {}).get("classes", ()))
        if len(classes) > 1 and "person" not in classes:
            raise ValueError(
                f"The detector of {config} knows no class 'person', but {', '.join(classes[:5])}"
                f"{', ...' if len(classes) > 5 else ''}."
            )
        self._label = classes.index("person") if "person" in classes else 0

    def find(self, frame: VideoFrame) -> People:
        """What the detector sees."""
        from mmdet.apis import inference_detector

        with DefaultScope.overwrite_default_scope("mmdet"):
            found = inference_detector(self._model, frame.image).pred_instances.cpu().numpy()
        keep = (found.labels == self._label) & (found.scores >= self._min_score)
        return People(found.bboxes[keep].astype(np.float32), found.scores[keep].astype(np.float32))


class BoxFilePeople:
    """Boxes from a file, in px of the video's own frames.

    Args:
        path: File for :func:`part_synth.inferencer.box_files.read_boxes`.
    """

    margin = 1.25
    bounds_people = True

    def __init__(self, path: str | Path) -> None:
        from part_synth.inferencer.box_files import read_boxes

        self._boxes = read_boxes(path)

    def find(self, frame: VideoFrame) -> People:
        """What the file says of the frame."""
        table = self._boxes
        rows = slice(*np.searchsorted(table.frames, [frame.number, frame.number + 1]))
        ids = None if table.person_ids is None else table.person_ids[rows]
        return People(table.boxes[rows] * frame.scale, table.scores[rows], ids)


class KeypointFilePeople:
    """People with 2D keypoints from a file, in px of the video's own frames.

    Args:
        path: File for :func:`part_synth.apis.read_keypoints`.
        skeleton: Layout of the keypoints; None = the file's.
        min_score: Joints with less are missing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or its layout is not known.
    """

    margin = 1.25
    bounds_people = True

    def __init__(self, path: str | Path, skeleton: str | None, min_score: float) -> None:
        # Imported here: it builds on this package.
        from part_synth.apis.keypoint_files import read_keypoints

        tracks = read_keypoints(path, person="all")
        layout = skeleton or tracks.layout
        if layout is None:
            known = ", ".join(layouts_of_size(tracks.keypoints.shape[1])) or "none that is known"
            raise ValueError(f"{path} does not tell the layout of its joints; name one of {known}.")
        order = np.argsort(tracks.frames, kind="stable")
        self._frames = tracks.frames[order]
        self._ids = tracks.person_ids[order] if getattr(tracks, "tracked", True) else None
        self._joints = h36m_keypoints(
            tracks.keypoints[order], tracks.scores[order], layout, min_score
        )

    def find(self, frame: VideoFrame) -> People:
        """Boxes around the joints that the file has for the frame."""
        rows = slice(*np.searchsorted(self._frames, [frame.number, frame.number + 1]))
        joints = self._joints[rows].copy()
        # The centre of the first pixel is (0, 0).
        joints[..., :2] = (joints[..., :2] + 0.5) * frame.scale - 0.5
        seen = np.isfinite(joints[..., 0]).sum(1) >= 2
        joints = joints[seen]
        ids = None if self._ids is None else self._ids[rows][seen]
        scores = np.ones(len(joints), dtype=np.float32)
        return People(boxes_around(joints[..., :2]), scores, ids, joints)


class PoseModel:
    """A top-down 2D pose model of mmpose.

    Args:
        config: Its config.
        checkpoint: Its weights, a local file.
        device: Where it runs.
        min_score: Joints with less are missing.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model can't be built.
    """

    def __init__(
        self, config: str | Path, checkpoint: str | Path, device: str, min_score: float
    ) -> None:
        from mmpose.apis import init_model

        _require_files("2D pose model", config, checkpoint)
        self._model = _built("2D pose model", "mmpose", init_model, config, checkpoint, device)
        self._layout = self._model.dataset_meta["dataset_name"]
        self._min_score = min_score

    def keypoints(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Joints of the people of a frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            boxes: (P, 4).

        Returns:
            (P, 17, 3) px and score, Human3.6M's order; NaN where a joint is missing.
        """
        from mmpose.apis import inference_topdown

        with DefaultScope.overwrite_default_scope("mmpose"):
            results = inference_topdown(self._model, image, boxes)
        points = np.concatenate([np.asarray(r.pred_instances.keypoints)[..., :2] for r in results])
        scores = np.concatenate([np.asarray(r.pred_instances.keypoint_scores) for r in results])
        return h36m_keypoints(points, scores, self._layout, self._min_score)


def h36m_keypoints(
    points: np.ndarray, scores: np.ndarray, layout: str, min_score: float
) -> np.ndarray:
    """Keypoints of any known layout as the 17 joints of Human3.6M.

    Args:
        points: (P, L, 2) px.
        scores: (P, L).
        layout: Name of the layout.
        min_score: Joints with less are missing.

    Returns:
        (P, 17, 3) float32 px and 1; NaN and 0 where a joint is missing.
    """
    points = np.asarray(points, dtype=np.float64)
    visible = np.isfinite(points).all(-1) & (scores >= min_score)
    joints, known = to_h36m17(torch.from_numpy(points), torch.from_numpy(visible), layout)
    joints = torch.where(known[..., None], joints, torch.nan)
    return torch.cat([joints, known[..., None].to(joints)], -1).numpy().astype(np.float32)


def boxes_around(points: np.ndarray) -> np.ndarray:
    """(P, 4) boxes around the joints (P, K, 2) that are not NaN, a little larger than they."""
    if not len(points):
        return np.zeros((0, 4), dtype=np.float32)
    low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
    room = _AROUND_JOINTS * (high - low).max(-1, keepdims=True)
    return np.concatenate([low - room, high + room], axis=1).astype(np.float32)


def _require_files(what: str, *files: str | Path) -> None:
    for file in files:
        if not Path(file).expanduser().is_file():
            raise FileNotFoundError(
                f"There is no {Path(file).expanduser().absolute()}, which the {what} needs; name a "
                "local file. Nothing is downloaded."
            )


def _built(
    what: str,
    scope: str,
    build: Callable,
    config: str | Path,
    checkpoint: str | Path,
    device: str,
) -> nn.Module:
    """A model of another package; whatever keeps it from being built, in a sentence."""
    files = (str(Path(file).expanduser()) for file in (config, checkpoint))
    try:
        # Else the scope of the whole process would change.
        with DefaultScope.overwrite_default_scope(scope):
            return build(*files, device=device)
    # These packages raise what comes: KeyError, RuntimeError, AttributeError, ...
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise ValueError(
            f"The {what} of {config} can't be built with {checkpoint}: {type(error).__name__}: "
            f"{words}"
        ) from error
