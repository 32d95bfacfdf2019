# System A without any label, from scratch, on two processor cores in 22 to 100 minutes.
_base_ = [
    "_base_/default_runtime.py",
    "_base_/models/part_synth_tiny.py",
    "_base_/datasets/synthetic_mocap.py",
]

# optimizer
# bfloat16 halves the time of a step on processors that have it.
optim_wrapper = dict(
    constructor="part_synth.MultiOptimWrapperConstructor",
    type="part_synth.AutocastOptimWrapper",
    clip_grad=dict(max_norm=5.0),
    encoder=dict(
        modules=["encoder", "puppet"],
        optimizer=dict(type="part_synth.Muon", lr=0.02, adam_lr=1.5e-3, linear=False),
    ),
    synthesizer=dict(modules=["appearance", "decoder"], optimizer=dict(type="Adam", lr=2e-3)),
)

# schedule
max_epochs = 10
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
_schedule = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        T_max=max_epochs,
        eta_min_ratio=0.02,
    ),
]
param_scheduler = dict(encoder=_schedule, synthesizer=_schedule)

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    # The encoder learns puppets first; then they, real frames and synthesised images take turns.
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=6, cycle=["puppet"]),
            dict(cycle=["puppet", "synthesis", "cycle", "puppet"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(
        type="part_synth.ResultsTableHook",
        compare=[
            dict(
                name="supervised twin",
                path="work_dirs/part_synth_synthetic_supervised/results.json",
                hint="python tools/train.py configs/part_synth_synthetic_supervised.py",
            )
        ],
    ),
]

# model
model = dict(
    encoder=dict(part_head=dict(type="part_synth.SubpixelPartMapHead")),
    unpaired_poses={{_base_.unpaired_poses}},
    objectives=dict(
        puppet=dict(
            type="part_synth.PuppetPretraining",
            # Uneven outlines in the last steps made parts worse, and poses no better.
            painter=dict(type="part_synth.DressedPuppetPainter", joint_std=0.0, outline_std=0.0),
            batch_size=64,
            fresh=8,
            start=512,
            # Puppets that come again are mirrored and in other colours.
            vary=dict(),
        ),
        # Real frames teach the decoder to paint; that they pull the pose too made it worse.
        synthesis=dict(
            type="part_synth.NovelImageSynthesis",
            train_pose=False,
            optimizers=("synthesizer",),
        ),
        cycle=dict(type="part_synth.SynthesisCycle", repeats=1),
    ),
)

# loaders
image_size = 96
train_crop = dict(size=image_size)
test_crop = dict(size=image_size)
train_dataloader = dict(dataset=dict(crop=train_crop))
val_dataloader = dict(dataset=dict(crop=test_crop))
test_dataloader = dict(dataset=dict(crop=test_crop))
