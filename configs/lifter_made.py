# The lifter in the package (lifter_supervised_made.py) without its 3D labels: procedural motion of
# the embedded data set seen by virtual cameras, detector-like noise of 5 px, and no 3D pose but
# mean lengths of bones. Data:
# python tools/dataset_converters/make_synthetic.py --out data/synthetic_mocap
# python tools/dataset_converters/cmu_mocap.py data/synthetic_mocap/unpaired_poses.npz --fps 10 \
#     --out data/made_mocap --noise 5 --vary-bones 0.12
# It is chosen on people of its own; tested on real motion capture (lifter_cmu.py's data).
_base_ = ["lifter_cmu.py"]
data_root = "data/made_mocap/"
reference_poses = data_root + "reference_poses.npz"

# model
model = dict(objective=dict(losses=dict(bones=dict(ratios=reference_poses))))

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
