# Loaders of 2D poses in memory; a file beside this one says whose poses.

# loaders
train_dataloader = dict(
    batch_size=256,
    # A batch is made at once by a few tensor operations: workers would only cost.
    num_workers=0,
    sampler=dict(type="part_synth.EpochSeededSampler", shuffle=True, samples_per_epoch=256000),
    collate_fn=dict(type="part_synth.take_batch"),
    dataset=dict(
        type="part_synth.KeypointClipDataset",
        split="train",
        flip=0.5,
        # Adversarial losses compare with other clips.
        real=True,
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.take_batch"),
    dataset=dict(type="part_synth.KeypointClipDataset", split="val", test_mode=True),
)
test_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.take_batch"),
    dataset=dict(type="part_synth.KeypointClipDataset", split="test", test_mode=True),
)

# evaluators
val_evaluator = dict(type="part_synth.PoseMetric", per_action=False)
test_evaluator = dict(type="part_synth.PoseMetric", per_action=True)
