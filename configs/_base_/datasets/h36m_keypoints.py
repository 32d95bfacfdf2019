# 2D joints of Human3.6M in mmpose's preprocessed layout (annotation_body3d/; images are not read).
# Protocol: S1, S5, S6, S7, S8 to train, S9, S11 to test. S8 is kept back to choose the checkpoint.
# Detected 2D joints: layout_options=dict(keypoint_file='joint_2d_det/FILE.npy') of each dataset.
_base_ = ["keypoints.py"]
data_root = "data/h36m/"
# For the baselines and the mean lengths of bones; its 3D poses train nothing.
reference_poses = data_root + "annotation_body3d/fps50/h36m_train.npz"
_source = dict(layout="h36m", data_root=data_root)

# loaders
train_dataloader = dict(dataset=dict(**_source, subjects=["S1", "S5", "S6", "S7"]))
val_dataloader = dict(dataset=dict(**_source, split="train", subjects=["S8"], frame_step=50))
test_dataloader = dict(dataset=dict(**_source, frame_step=64))

# evaluators
val_evaluator = dict(reference_poses=reference_poses)
test_evaluator = dict(reference_poses=reference_poses)
