# 2D joints of people in one's own videos, which a 2D pose model has found:
# tools/dataset_converters/prepare_videos.py VIDEOS --pose2d ... --out data/wild
# There are no labels, so nothing is validated or tested; the last checkpoint is the one to take.
_base_ = ["keypoints.py"]
data_root = "data/wild/"
_source = dict(layout="wild", data_root=data_root, split=None)
_joints = dict(layout_options=dict(require_keypoints=True))

# loaders
train_dataloader = dict(dataset=dict(**_source, **_joints))
val_dataloader = None
test_dataloader = dict(dataset=dict(**_source, **_joints))

# evaluators
val_evaluator = None
