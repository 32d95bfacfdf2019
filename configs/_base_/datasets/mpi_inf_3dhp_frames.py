# MPI-INF-3DHP in mmpose's preprocessed layout (annotations/, images/).
# TS1 to TS6 are the test set. S8 is kept back to choose the checkpoint.
data_root = "data/mpi_inf_3dhp/"
# Any npz of 3D poses that belong to no frame here; the embedded data set brings one:
# python tools/dataset_converters/make_synthetic.py --out data/synthetic_mocap
unpaired_poses = "data/synthetic_mocap/unpaired_poses.npz"

# pipelines
# The annotated box is a quarter larger than the person; at 0.85 of it the person fills the crop.
box_padding = 0.85
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
        layout="mpi_inf_3dhp",
        data_root=data_root,
        split="train",
        subjects=["S1", "S2", "S3", "S4", "S5", "S6", "S7"],
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
        layout="mpi_inf_3dhp",
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
        layout="mpi_inf_3dhp",
        data_root=data_root,
        split="test",
        test_mode=True,
        frame_step=1,
        crop=test_crop,
    ),
)

# evaluators
val_evaluator = dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=False)
test_evaluator = dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=True)
