"""A small lifter, a 2D model and a detector of mmpose's and mmdet's kind, without any download."""

import torch
from part_synth.registry import MODELS

LIFTER = """
model = dict(
    type="part_synth.LiftingModel",
    lifter=dict(type="part_synth.FrameLifter", width=16, num_blocks=1),
)
"""
# A real pipeline of mmpose around a model that puts joints into the box it is given.
POSE2D = """
default_scope = "mmpose"
custom_imports = dict(imports=["stub_pose2d"])
data_mode = "topdown"
dataset_type = "CocoDataset"
visualizer = dict(type="PoseLocalVisualizer", name="visualizer_2d")
codec = dict(type="UDPHeatmap", input_size=(24, 32), heatmap_size=(6, 8), sigma=1)
model = dict(type="StubPose2D", backbone=dict())
test_dataloader = dict(
    dataset=dict(
        type="CocoDataset",
        pipeline=[
            dict(type="LoadImage"),
            dict(type="GetBBoxCenterScale"),
            dict(type="TopdownAffine", input_size=(24, 32)),
            dict(type="PackPoseInputs"),
        ],
    )
)
train_dataloader = test_dataloader
"""
# A real pipeline of mmdet, which doubles the picture, around a detector of colours.
DETECTOR = """
default_scope = "mmdet"
custom_imports = dict(imports=["stub_detector"])
model = dict(type="StubDetector", backbone=dict())
_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(128, 96)),
    dict(type="PackDetInputs", meta_keys=("ori_shape", "img_shape", "scale_factor")),
]
test_dataloader = dict(dataset=dict(type="CocoDataset", pipeline=_pipeline))
test_evaluator = dict()
"""


def write_models(folder):
    """Write config.py and weights.pth of a lifter, pose2d.* of a 2D model, detector.*."""
    torch.manual_seed(0)
    (folder / "config.py").write_text(LIFTER)
    lifter = dict(type="part_synth.FrameLifter", width=16, num_blocks=1)
    model = MODELS.build(dict(type="part_synth.LiftingModel", lifter=lifter))
    torch.save(model.state_dict(), folder / "weights.pth")
    (folder / "pose2d.py").write_text(POSE2D)
    (folder / "detector.py").write_text(DETECTOR)
    for name in ("pose2d.pth", "detector.pth"):
        torch.save({"meta": {}, "state_dict": {"unused": torch.zeros(1)}}, folder / name)
    return folder
