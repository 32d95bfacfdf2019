# People in one's own videos: tools/dataset_converters/prepare_videos.py VIDEOS --out data/wild
# There are no labels, so nothing is validated or tested; the last checkpoint is the one to take.
data_root = "data/wild/"
# Any npz of 3D poses; the embedded data set brings one:
# python tools/dataset_converters/make_synthetic.py --out data/synthetic_mocap
unpaired_poses = "data/synthetic_mocap/unpaired_poses.npz"

# pipelines
# Prepared boxes are a quarter larger than what the detector drew, as annotated ones are.
box_padding = 1.0
image_size = 224
_crop = dict(size=image_size, padding=box_padding, labels=False)

# loaders
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="part_synth.EpochSeededSampler", shuffle=True, samples_per_epoch=32000),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.VideoPairDataset",
        layout="wild",
        data_root=data_root,
        # Cameras that move have no background: moving=None, and background=None of the crop, train
        # on all videos without backgrounds.
        layout_options=dict(moving=False),
        num_frames=2,
        # Seconds; clips last a second or more.
        min_gap=0.5,
        crop=dict(**_crop, shift=0.06, scale=0.12, flip=0.5, background="median"),
    ),
)
val_dataloader = None
# For the crops that part_synth.apis.predict_people and tools/export_onnx.py read here.
test_dataloader = dict(
    batch_size=64,
    num_workers=8,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.PoseFrameDataset",
        layout="wild",
        data_root=data_root,
        layout_options=dict(moving=False),
        test_mode=True,
        crop=dict(**_crop, background="median"),
    ),
)

# evaluators
val_evaluator = None
# Of a labelled set that takes the place of the videos.
test_evaluator = dict(type="part_synth.PoseMetric", reference_poses=unpaired_poses)
