# The full schedule on a GPU: 40 epochs of 1,000 iterations.

# optimizer
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="Adam", lr=4e-4), clip_grad=dict(max_norm=5.0)
)

# schedule
max_epochs = 40
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
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
# 16 instants of 4 views.
auto_scale_lr = dict(base_batch_size=16)

# hooks
custom_hooks = [
    dict(type="EMAHook", momentum=0.001, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]
