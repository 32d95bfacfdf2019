# With 3D labels on the same noisy 2D joints as lifter_cmu_noise5.py: its ceiling.
_base_ = ["lifter_supervised_cmu.py"]

# loaders
train_dataloader = dict(
    dataset=dict(layout_options=dict(keypoint_file="joint_2d_det/train_noise5.npy"))
)
val_dataloader = dict(
    dataset=dict(layout_options=dict(keypoint_file="joint_2d_det/val_noise5.npy"))
)
test_dataloader = dict(
    dataset=dict(layout_options=dict(keypoint_file="joint_2d_det/test_noise5.npy"))
)
