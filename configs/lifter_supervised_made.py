# lifter_made.py's network and data, with the 3D labels that made data bring.
_base_ = ["lifter_supervised_cmu.py"]
data_root = "data/made_mocap/"
reference_poses = data_root + "reference_poses.npz"

# loaders
train_dataloader = dict(
    dataset=dict(
        data_root=data_root, layout_options=dict(keypoint_file="joint_2d_det/train_noise5.npy")
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        layout_options=dict(keypoint_file="joint_2d_det/val_noise5.npy"),
        frame_step=20,
    )
)

# evaluators
val_evaluator = dict(reference_poses=reference_poses)
