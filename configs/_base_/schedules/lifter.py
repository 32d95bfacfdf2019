# Lifting on a processor: 16 epochs of 1,000 steps, less than ten minutes on one core.
_base_ = ["../default_runtime.py"]

# runtime
# Of several processes: the elevation's network rests while the elevation is held.
find_unused_parameters = True

# optimizer
# bfloat16 makes a step several times faster on processors that have it. beta1 = 0.5 as usual in
# adversarial training.
optim_wrapper = dict(
    type="part_synth.AutocastOptimWrapper",
    optimizer=dict(type="Adam", lr=2e-3, betas=(0.5, 0.9), fused=True),
)

# schedule
max_epochs = 16
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
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

# hooks
# Steps are short: they are logged more seldom.
default_hooks = dict(logger=dict(interval=250))
custom_hooks = [
    dict(type="part_synth.LiftingPriorsHook"),
    dict(type="EMAHook", momentum=0.01, interval=5, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]
