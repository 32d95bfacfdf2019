"""The meta information of the 17 joints."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer
from part_synth.datasets import PoseFrameDataset
from part_synth.datasets.metainfo import h36m_metainfo


@pytest.mark.parametrize("weights_only", [False, True])
def test_survives_a_checkpoint(tmp_path, h36m_root, weights_only):
    """As a data set hands it out; mmengine compares pickles when a run is resumed."""
    info = PoseFrameDataset(h36m_root, split="test", crop=dict(size=16)).metainfo
    torch.save({"meta": {"dataset_meta": info}}, tmp_path / "epoch_1.pth")
    loaded = torch.load(tmp_path / "epoch_1.pth", weights_only=weights_only)
    again = loaded["meta"]["dataset_meta"]
    assert (again == info) is True
    assert pickle.dumps(again) == pickle.dumps(info)
    assert (again == h36m_metainfo("another")) is False


def test_mmpose_draws_with_it():
    visualizer = PoseLocalVisualizer(backend="matplotlib")
    visualizer.set_dataset_meta(h36m_metainfo("h36m"))
    rng = np.random.default_rng(0)
    sample = PoseDataSample()
    sample.pred_instances = InstanceData(
        keypoints=rng.uniform(5, 60, (1, 17, 2)), keypoint_scores=np.ones((1, 17))
    )
    image = np.zeros((64, 64, 3), np.uint8)
    drawn = visualizer.add_datasample(
        "joints", image, sample, draw_gt=False, draw_bbox=False, show_kpt_idx=False
    )
    colours = {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()}
    assert len(colours & {(0, 128, 255), (0, 255, 0), (255, 153, 51)}) == 3
