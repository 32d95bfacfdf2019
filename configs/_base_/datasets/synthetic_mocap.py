# The embedded data set: rendered people in motion. It is made on first use (`synthetic` is the
# recipe: people in train, val and test; cameras; frames of each person and camera; pixels).
data_root = "data/synthetic_mocap/"
synthetic = dict(subjects=(32, 4, 4), cameras=4, frames_per_subject=100, size=128, seed=0)
unpaired_poses = data_root + "unpaired_poses.npz"

# pipelines
# The annotated box is a quarter larger than the person; at 0.85 of it the person fills the crop.
box_padding = 0.85
image_size = 64
# Training varies the box as a detector's box would vary.
train_crop = dict(
    size=image_size,
    padding=box_padding,
    shift=0.06,
    scale=0.12,
    flip=0.5,
    background="median",
    cache="encoded",
)
test_crop = dict(size=image_size, padding=box_padding, background="median", cache="encoded")

# loaders
train_dataloader = dict(
    # Groups of four frames of one person and camera.
    batch_size=6,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="part_synth.EpochSeededSampler", shuffle=True, samples_per_epoch=3000),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.VideoPairDataset",
        data_root=data_root,
        synthetic=synthetic,
        split="train",
        num_frames=4,
        min_gap=0.3,
        same_clip=False,
        # No label leaves the data set.
        crop=dict(**train_crop, labels=False),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.PoseFrameDataset",
        data_root=data_root,
        synthetic=synthetic,
        split="val",
        test_mode=True,
        # Every fourth frame: neighbours are alike.
        frame_step=4,
        crop=test_crop,
    ),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.PoseFrameDataset",
        data_root=data_root,
        synthetic=synthetic,
        split="test",
        test_mode=True,
        crop=test_crop,
    ),
)

# evaluators
val_evaluator = [
    dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=False),
    dict(type="part_synth.PartSegMetric"),
]
test_evaluator = [
    dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses, per_action=True),
    dict(type="part_synth.PartSegMetric"),
]
