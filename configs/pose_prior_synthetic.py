# The pose prior of system A, trained beforehand on the unpaired poses of the embedded data set.
_base_ = ["_base_/default_runtime.py"]

# optimizer
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))

# schedule
max_epochs = 5
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        T_max=max_epochs,
        eta_min_ratio=0.01,
    ),
]

# hooks
default_hooks = dict(
    logger=dict(interval=250), checkpoint=dict(save_best="reconstruction_mm", rule="less")
)
custom_hooks = [dict(type="part_synth.PosePriorLengthsHook")]

# model
model = dict(
    type="part_synth.PosePriorModel",
    prior=dict(type="part_synth.PosePrior", code_size=32, hidden=256),
)

# dataset
data_root = "data/synthetic_mocap/"
synthetic = dict(subjects=(32, 4, 4), cameras=4, frames_per_subject=100, size=128, seed=0)

# loaders
_poses = dict(
    type="part_synth.UnpairedPoseDataset",
    data_root=data_root,
    path="unpaired_poses.npz",
    synthetic=synthetic,
)
train_dataloader = dict(
    batch_size=256,
    num_workers=0,
    collate_fn=dict(type="part_synth.collate"),
    sampler=dict(type="part_synth.EpochSeededSampler", shuffle=True, samples_per_epoch=256000),
    dataset=dict(**_poses, portion=(0.0, 0.9)),
)
# Clips, and nearly all people, that training does not see.
val_dataloader = dict(
    batch_size=512,
    num_workers=0,
    collate_fn=dict(type="part_synth.collate"),
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**_poses, portion=(0.9, 1.0), frame_step=5, flip=False),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type="part_synth.PriorReconstructionMetric")
test_evaluator = val_evaluator
