# System A on a larger embedded data set without any label: 256-pixel frames, 224-pixel crops,
# ResNet-50, for a GPU; `tools/train.py ... --amp` for mixed precision.
_base_ = [
    "_base_/default_runtime.py",
    "_base_/schedules/part_synth_full.py",
    "_base_/models/part_synth_res50.py",
    "_base_/datasets/synthetic_mocap.py",
]
data_root = "data/synthetic_mocap_256/"
synthetic = dict(subjects=(32, 4, 4), cameras=4, frames_per_subject=100, size=256, seed=0)
unpaired_poses = data_root + "unpaired_poses.npz"
_source = dict(data_root=data_root, synthetic=synthetic, crop=dict(size=224))

# schedule
train_cfg = dict(val_interval=1)

# model
model = dict(unpaired_poses=unpaired_poses)

# loaders
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    sampler=dict(samples_per_epoch=16000),
    dataset=_source,
)
val_dataloader = dict(num_workers=4, dataset=_source)
test_dataloader = dict(num_workers=4, dataset=_source)

# evaluators
val_evaluator = [
    dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=False),
    dict(type="part_synth.PartSegMetric"),
]
test_evaluator = [
    dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=True),
    dict(type="part_synth.PartSegMetric"),
]
