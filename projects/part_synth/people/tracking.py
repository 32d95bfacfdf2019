"""Who is who over the frames of a video: mmdet's ByteTrack on plain boxes.

Symbols: P boxes of a frame. Boxes are left, top, right, bottom in px.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import torch
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment

# Seconds after which somebody who was not seen is forgotten.
_PATIENCE = 1.0
_LEAST_PATIENCE = 10  # frames


class BoxTracker:
    """Gives boxes the numbers of people, frame by frame.

    Boxes with a score of 0.6 and more begin a track and go on with one; lower ones, down to 0.1, go
    on with one only.

    Args:
        fps: Frames per second of the video.
    """

    def __init__(self, fps: float | None) -> None:
        retain = max(_LEAST_PATIENCE, round(_PATIENCE * (fps or 0)))
        self._tracker = _tracker_class()(num_frames_retain=retain)
        self._frame = -1

    def update(self, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Numbers of the people of the next frame.

        Args:
            boxes: (P, 4).
            scores: (P,) in [0, 1].

        Returns:
            (P,) int64; -1 for a box that is nobody's.
        """
        from mmdet.structures import DetDataSample

        self._frame += 1
        count = len(boxes)
        found = InstanceData(
            bboxes=torch.as_tensor(np.asarray(boxes, dtype=np.float32).reshape(count, 4)),
            scores=torch.as_tensor(np.asarray(scores, dtype=np.float32).reshape(count)),
            labels=torch.zeros(count, dtype=torch.long),
            # The tracker gives boxes back in another order, and takes masks along unread.
            masks=torch.arange(count),
        )
        sample = DetDataSample(pred_instances=found, metainfo={"frame_id": self._frame})
        tracks = self._tracker.track(sample)
        ids = np.full(count, -1, dtype=np.int64)
        ids[tracks.masks.numpy()] = tracks.instances_id.numpy()
        return ids


def track_boxes(
    frames: np.ndarray, boxes: np.ndarray, scores: np.ndarray, num_frames: int, fps: float | None
) -> np.ndarray:
    """Numbers of the people of a whole video.

    Args:
        frames: (N,) frame of each box, ascending.
        boxes: (N, 4).
        scores: (N,).
        num_frames: Frames of the video.
        fps: Frames per second.

    Returns:
        (N,) int64, people counted from 0 in the order in which they come; -1 for nobody's boxes.
    """
    tracker = BoxTracker(fps)
    ids = np.full(len(frames), -1, dtype=np.int64)
    starts = np.searchsorted(frames, np.arange(num_frames + 1))
    for first, last in itertools.pairwise(starts):
        ids[first:last] = tracker.update(boxes[first:last], scores[first:last])
    return ids


@functools.cache
def _tracker_class():
    """ByteTracker with SciPy's assignment in place of the package ``lap``; mmdet is heavy."""
    from mmdet.models.task_modules.tracking import KalmanFilter
    from mmdet.models.trackers import ByteTracker
    from mmdet.models.trackers.base_tracker import BaseTracker
    from mmdet.structures.bbox import bbox_cxcyah_to_xyxy, bbox_overlaps

    class Tracker(ByteTracker):
        def __init__(self, num_frames_retain: int) -> None:
            # That of ByteTracker refuses to work without lap; these are its default values.
            BaseTracker.__init__(self, num_frames_retain=num_frames_retain)
            self.motion = KalmanFilter()
            self.obj_score_thrs = {"high": 0.6, "low": 0.1}
            self.init_track_thr = 0.7
            self.weight_iou_with_det_scores = True
            self.match_iou_thrs = {"high": 0.1, "low": 0.5, "tentative": 0.3}
            self.num_tentatives = 3

        def update_track(self, id: int, obj: tuple[torch.Tensor]) -> None:
            super().update_track(id, obj)
            # It would keep all boxes of a video.
            for name in self.memo_items:
                del self.tracks[id][name][: -self.num_tentatives]

        def assign_ids(
            self,
            ids,
            det_bboxes,
            det_labels,
            det_scores,
            weight_iou_with_det_scores=False,
            match_iou_thr=0.5,
        ):
            rows = np.full(len(ids), -1, dtype=np.int32)
            columns = np.full(len(det_bboxes), -1, dtype=np.int32)
            if len(rows) == 0 or len(columns) == 0:
                return rows, columns
            means = np.stack([self.tracks[id].mean[:4] for id in ids])
            boxes = bbox_cxcyah_to_xyxy(torch.from_numpy(means).to(det_bboxes))
            overlap = bbox_overlaps(boxes, det_bboxes)
            if weight_iou_with_det_scores:
                overlap = overlap * det_scores
            # Nobody gains by a match that is not allowed; as lap does with a limit of the cost.
            gain = (overlap - match_iou_thr).clamp_min(0).numpy()
            for row, column in zip(*linear_sum_assignment(-gain), strict=True):
                if gain[row, column] > 0:
                    rows[row], columns[column] = column, row
            return rows, columns

    return Tracker
