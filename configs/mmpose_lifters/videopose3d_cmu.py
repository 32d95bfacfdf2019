# VideoPose3D (Pavllo et al., CVPR 2019) as mmpose has it, on motion capture seen by virtual
# cameras: 27 frames of clean 2D joints in, 3D joints of the middle frame out, trained with 3D
# labels. Model and codec are those of mmpose's config. 27 frames are 0.9 s here (30 fps), 0.54 s on
# Human3.6M. Data by
# python tools/dataset_converters/cmu_mocap.py MOTIONS --out data/cmu
_base_ = [
    "mmpose::body_3d_keypoint/video_pose_lift/h36m/"
    "video-pose-lift_tcn-27frm-supv_8xb128-160e_h36m.py"
]

# schedule
# One processor core does an epoch (274 steps of 128 clips) in about two minutes; five of them are
# what one likes to wait for, not a tuned number (mmpose: 160 epochs on 8 GPUs).
max_epochs = 5
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
param_scheduler = [
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        T_max=max_epochs,
        eta_min_ratio=0.02,
    )
]

# hooks
default_hooks = dict(
    checkpoint=dict(
        type="part_synth.AtomicCheckpointHook",
        interval=1,
        max_keep_ckpts=1,
        save_best="p_mpjpe_mm",
        rule="less",
    )
)
custom_hooks = [dict(type="SyncBuffersHook"), dict(type="part_synth.ResultsTableHook")]

# dataset
# Noisy 2D joints, where the set was made with --noise 5: in each loader's dataset
# keypoint_2d_src="detection", keypoint_2d_det_file="joint_2d_det/train_noise5.npy" (val, test).
data_root = "data/cmu/"

# loaders
train_dataloader = dict(
    # A sample is some hundred numbers: workers would only cost.
    num_workers=0,
    persistent_workers=False,
    dataset=dict(ann_file="annotation_body3d/train.npz", data_root=data_root),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(ann_file="annotation_body3d/val.npz", data_root=data_root),
)
test_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(ann_file="annotation_body3d/test.npz", data_root=data_root),
)

# evaluators
# Ours, in millimetres; mmpose's MPJPE has the unit of the data set, metres.
val_evaluator = [
    dict(type="part_synth.PoseMetric", reference_poses=data_root + "reference_poses.npz")
]
test_evaluator = val_evaluator
