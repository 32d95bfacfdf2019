# An earlier form of part_synth_synthetic.py: crops of 64 pixels, Adam, 8,000 steps, a slim puppet.
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
    encoder=dict(modules=["encoder", "puppet"], optimizer=dict(type="Adam", lr=1.5e-3)),
    synthesizer=dict(modules=["appearance", "decoder"], optimizer=dict(type="Adam", lr=2e-3)),
)

# schedule
max_epochs = 16
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
    # The encoder learns even puppets first; then uneven ones, which are harder and more like
    # people, real frames and synthesised images take turns.
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=10, cycle=["puppet"]),
            dict(cycle=["uneven", "synthesis", "cycle", "uneven", "consistency"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(
    # What this form and the long one were measured with.
    puppet=dict(puppet="slim"),
    unpaired_poses={{_base_.unpaired_poses}},
    objectives=dict(
        puppet=dict(
            type="part_synth.PuppetPretraining",
            painter=dict(type="part_synth.PuppetPainter", joint_std=0.0, outline_std=0.0),
            batch_size=64,
            fresh=8,
        ),
        uneven=dict(type="part_synth.PuppetPretraining", batch_size=64, fresh=8),
        # Real frames teach the decoder to paint; that they pull the pose too made it worse.
        synthesis=dict(
            type="part_synth.NovelImageSynthesis",
            train_pose=False,
            optimizers=("synthesizer",),
        ),
        cycle=dict(type="part_synth.SynthesisCycle"),
        consistency=dict(type="part_synth.ReadingConsistency"),
    ),
)
