# Motion capture seen by virtual cameras, in the layout of Human3.6M. Made by
# python tools/dataset_converters/cmu_mocap.py MOTIONS --out data/cmu
_base_ = ["keypoints.py"]
data_root = "data/cmu/"
reference_poses = data_root + "reference_poses.npz"
_source = dict(data_root=data_root)

# loaders
train_dataloader = dict(dataset=_source)
# Neighbouring frames are alike.
val_dataloader = dict(dataset=dict(**_source, frame_step=3))
test_dataloader = dict(dataset=_source)

# evaluators
val_evaluator = dict(reference_poses=reference_poses)
test_evaluator = dict(reference_poses=reference_poses)
