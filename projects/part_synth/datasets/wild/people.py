"""Where people are in the frames of a video: a detector, files, or the whole frame.

Each gives a :class:`~part_synth.people.FramePeople` of Human3.6M's joints for a frame, NaN where
none is known. Symbols: P people of a frame. Boxes are left, top, right, bottom in px of the frame
at hand, which may be smaller than the file's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from part_synth.datasets.video_reader import VideoFrame
from part_synth.geometry.keypoint_layouts import to_h36m17
from part_synth.people import FramePeople, WholeFrame, boxes_around, read_boxes
from part_synth.people.detector import Detector
from part_synth.people.keypoint_files import keypoints_by_frame
from part_synth.people.pose2d import Pose2D

# A box around joints ends short of hair, hands and soles by about a tenth of the person.
_AROUND_JOINTS = 0.1


class WholeFramePeople:
    """One person, who may be anywhere in the frame: clips of one person."""

    # Side of the square crop over the box's larger side.
    margin = 1.0
    # Whether what lies outside of the boxes is background.
    bounds_people = False

    def find(self, frame: VideoFrame) -> FramePeople:
        """The frame's own borders."""
        (boxes,) = WholeFrame().find([frame.image])
        return FramePeople.of_boxes(boxes, np.zeros(1, dtype=np.int64))


class DetectorPeople:
    """What a detector sees; the tracker says who it is.

    Args:
        config: Its config.
        weights: Its checkpoint.
        device: Where it runs.
        min_score: Boxes with less are none.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model can't be built, or knows no people.
    """

    margin = 1.25
    bounds_people = True

    def __init__(
        self, config: str | Path, weights: str | Path, device: str, min_score: float
    ) -> None:
        self.detector = Detector(config, weights, device, None, min_score, nms_thr=None)

    def find(self, frame: VideoFrame) -> FramePeople:
        """What the detector sees."""
        return FramePeople.of_boxes(self.detector.find([frame.image])[0])


class BoxFilePeople:
    """Boxes from a file, in px of the video's own frames.

    Args:
        path: File for :func:`part_synth.people.read_boxes`.
    """

    margin = 1.25
    bounds_people = True

    def __init__(self, path: str | Path) -> None:
        self._boxes = read_boxes(path)

    def find(self, frame: VideoFrame) -> FramePeople:
        """What the file says of the frame."""
        boxes, ids = self._boxes.of_frame(frame.number)
        boxes[:, :4] *= frame.scale
        return FramePeople.of_boxes(boxes, ids)


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
        tracks = keypoints_by_frame(path, skeleton)
        self._frames = tracks.frames
        self._ids = tracks.person_ids if tracks.tracked else None
        self._joints = h36m_keypoints(tracks.keypoints, tracks.scores, tracks.layout, min_score)

    def find(self, frame: VideoFrame) -> FramePeople:
        """Boxes around the joints that the file has for the frame."""
        rows = slice(*np.searchsorted(self._frames, [frame.number, frame.number + 1]))
        joints = self._joints[rows].copy()
        # The centre of the first pixel is (0, 0).
        joints[..., :2] = (joints[..., :2] + 0.5) * frame.scale - 0.5
        known = np.isfinite(joints[..., 0])
        seen = known.sum(1) >= 2
        joints, known = joints[seen], known[seen]
        return FramePeople(
            boxes_around(joints[..., :2], known, _AROUND_JOINTS),
            np.ones(len(joints), dtype=np.float32),
            joints[..., :2],
            joints[..., 2],
            person_ids=None if self._ids is None else self._ids[rows][seen],
        )


class PoseModel:
    """The joints that a top-down 2D model of mmpose sees in boxes.

    Args:
        config: Its config.
        weights: Its checkpoint.
        device: Where it runs.
        min_score: Joints with less are missing.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model can't be built, or is not top-down.
    """

    def __init__(
        self, config: str | Path, weights: str | Path, device: str, min_score: float
    ) -> None:
        self._model = Pose2D(config, weights, device)
        if not self._model.needs_boxes:
            raise ValueError(
                f"The 2D pose model of {config} finds people itself; name a top-down model."
            )
        self._min_score = min_score

    def keypoints(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Joints of the people of a frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            boxes: (P, 4).

        Returns:
            (P, 17, 3) px and score, Human3.6M's order; NaN where a joint is missing.
        """
        scored = np.concatenate([boxes, np.ones((len(boxes), 1), boxes.dtype)], axis=1)
        (people,) = self._model.find([image], [scored])
        return h36m_keypoints(people.keypoints, people.scores, self._model.layout, self._min_score)


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
