"""The drawing of this project in mmpose's own 3D inferencer.

mmpose 1.3's ``Pose3dLocalVisualizer`` calls functions that matplotlib 3.10 and NumPy 2.4 no longer
have.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from mmpose.structures import PoseDataSample

from part_synth.geometry.keypoint_layouts import to_h36m17
from part_synth.outputs import PoseSequence
from part_synth.registry import VISUALIZERS

from .drawing import SceneDrawing


@VISUALIZERS.register_module()
class Pose3dDrawing:
    """Draws what mmpose's ``Pose3DInferencer`` hands to its visualizer.

    Args:
        name: Title of windows without one; mmengine sets it.
        azimuth: Turn of the viewpoint about the vertical, rad; 0 looks as the camera does.
        elevation: Height of the viewpoint, rad.
    """

    def __init__(self, name: str = "poses", azimuth: float = 0.5, elevation: float = 0.2) -> None:
        self.name = name
        self.azimuth = azimuth
        self.elevation = elevation

    def set_dataset_meta(self, dataset_meta: dict, skeleton_style: str = "mmpose") -> None:
        """Nothing of it is needed: the skeleton is Human3.6M's."""

    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: PoseDataSample,
        det_data_sample: PoseDataSample | None = None,
        dataset_2d: str = "coco",
        show: bool = False,
        wait_time: float = 0.0,
        **_,
    ) -> np.ndarray:
        """Draw one frame.

        Args:
            name: Title of the window.
            image: (H, W, 3) uint8 RGB.
            data_sample: ``pred_instances.keypoints`` (N, 17, 3) metres, z up: (-x, z, -y) of the
                camera frame, as mmpose turns them; ``track_id``.
            det_data_sample: 2D joints of the layout ``dataset_2d``, px.
            dataset_2d: Name of their layout.
            show: Show it in a window.
            wait_time: Seconds.

        Returns:
            (h, w, 3) uint8 RGB.
        """
        z_up = np.asarray(data_sample.pred_instances.keypoints, dtype=np.float64).reshape(-1, 17, 3)
        joints = np.stack([-z_up[..., 0], -z_up[..., 2], z_up[..., 1]], axis=-1)
        joints = 1000 * (joints - joints[:, :1])
        count = len(joints)
        ids = np.ravel(data_sample.get("track_id", np.arange(count)))
        ids = ids.astype(int) if len(ids) == count else np.arange(count)
        points = np.full((count, 17, 2), np.nan)
        if det_data_sample is not None:
            found = torch.as_tensor(np.asarray(det_data_sample.pred_instances.keypoints))
            found = to_h36m17(found[..., :2].double(), layout=dataset_2d)[0].numpy()
            points[: len(found)] = found[:count]
        boxes = np.concatenate([np.nanmin(points, 1), np.nanmax(points, 1)], -1)
        sequence = PoseSequence(
            joints=joints.astype(np.float32),
            ok=np.isfinite(joints).all((1, 2)),
            keypoints=points,
            scores=np.ones((count, 17), np.float32),
            boxes=boxes,
            box_scores=np.ones(count, np.float32),
            person_ids=ids,
            frames=np.zeros(count, int),
            num_frames=1,
        )
        scene = SceneDrawing(sequence, self.azimuth, self.elevation)
        drawing = scene.draw(np.ascontiguousarray(image[..., ::-1]), 0)
        if show:
            cv2.imshow(name or self.name, np.ascontiguousarray(drawing[..., ::-1]))
            cv2.waitKey(max(1, round(1000 * wait_time)))
        return drawing
