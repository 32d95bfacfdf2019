# Human3.6M in mmpose's preprocessed layout (annotation_body3d/, images/).
# Protocol: S1, S5, S6, S7, S8 to train, S9, S11 to test. S8 is kept back to choose the checkpoint.
data_root = "data/h36m/"
# Any npz of 3D poses that belong to no frame here; the embedded data set brings one:
# python tools/dataset_converters/make_synthetic.py --out data/synthetic_mocap
unpaired_poses = "data/synthetic_mocap/unpaired_poses.npz"

# pipelines
# mmpose's boxes of Human3.6M and MPI-INF-3DHP are a fifth larger than the joints, which end
# short of hair, hands and soles.
box_padding = 1.0
image_size = 224
train_crop = dict(
    size=image_size, padding=box_padding, shift=0.06, scale=0.12, flip=0.5, background="median"
)
test_crop = dict(size=image_size, padding=box_padding, background="median")

# loaders
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="part_synth.EpochSeededSampler", shuffle=True, samples_per_epoch=32000),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.VideoPairDataset",
        layout="h36m",
        data_root=data_root,
        split="train",
        subjects=["S1", "S5", "S6", "S7"],
        num_frames=2,
        min_gap=0.5,
        # No label leaves the data set.
        crop=dict(**train_crop, labels=False),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.PoseFrameDataset",
        layout="h36m",
        data_root=data_root,
        split="train",
        subjects=["S8"],
        test_mode=True,
        # Neighbouring frames are alike.
        frame_step=50,
        crop=test_crop,
    ),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=8,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.PoseFrameDataset",
        layout="h36m",
        data_root=data_root,
        split="test",
        test_mode=True,
        frame_step=64,
        crop=test_crop,
    ),
)

# evaluators
val_evaluator = dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=False)
test_evaluator = dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=True)
