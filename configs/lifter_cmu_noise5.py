# Trained and tested on 2D joints with detector-like noise of 5 px in images of 1000 px:
# python tools/dataset_converters/cmu_mocap.py MOTIONS --out data/cmu --noise 5
_base_ = ["lifter_cmu.py"]

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
