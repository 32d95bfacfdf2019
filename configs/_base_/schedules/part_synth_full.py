# The full schedule on a GPU: 60 epochs of 2,000 iterations, the first third on puppets alone.

# optimizer
optim_wrapper = dict(
    constructor="part_synth.MultiOptimWrapperConstructor",
    clip_grad=dict(max_norm=5.0),
    encoder=dict(modules=["encoder", "puppet"], optimizer=dict(type="Adam", lr=2e-4)),
    synthesizer=dict(modules=["appearance", "decoder"], optimizer=dict(type="Adam", lr=4e-4)),
)

# schedule
max_epochs = 60
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=2)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
_schedule = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=500),
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
# 16 groups of 2 frames.
auto_scale_lr = dict(base_batch_size=16)

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=10000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=20, cycle=["puppet"]),
            dict(cycle=["puppet", "synthesis", "cycle", "puppet"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.001, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]
