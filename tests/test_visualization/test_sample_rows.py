import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from part_synth.visualization import prediction_row
from part_synth.visualization.sheets import prediction_sheet


def test_the_2d_joints_that_a_lifter_was_given_are_drawn(standing):
    sample = PoseDataSample()
    sample.pred_instances = InstanceData(keypoints=torch.from_numpy(standing[None]))
    alone = prediction_sheet([prediction_row(sample)], cell=64)
    given = standing[None, :, :2] * 100 + 400
    sample.gt_instances = InstanceData(keypoints=given, lifting_target=standing[None])
    row = prediction_row(sample)
    np.testing.assert_array_equal(row.keypoints, given[0])
    assert prediction_sheet([row], cell=64).shape[1] > alone.shape[1]
