"""A top-down 2D model for tests: COCO joints in fixed places of each box."""

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from tiny_videos import pose_2d

calls = []


@MODELS.register_module()
class StubPose2D(BaseModel):
    def __init__(self, backbone=None, train_cfg=None):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.test_cfg = {}

    def forward(self, inputs, data_samples=None, mode="tensor"):
        assert mode == "predict"
        calls.append(len(data_samples))
        for sample in data_samples:
            # TopdownAffine puts the box into the middle of what the model sees.
            centre, scale = sample.metainfo["input_center"], sample.metainfo["input_scale"]
            joints = pose_2d(np.ravel(centre), float(np.max(scale)) / 1.25)
            sample.pred_instances = InstanceData(
                keypoints=joints[None],
                keypoint_scores=np.full((1, 17), 0.8),
            )
            if "bboxes" in sample.gt_instances:
                sample.pred_instances.bboxes = sample.gt_instances.bboxes
                sample.pred_instances.bbox_scores = sample.gt_instances.bbox_scores
        return data_samples
