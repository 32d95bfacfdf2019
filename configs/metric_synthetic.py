# System C on the embedded data set: four synchronised views, the labels of one person.
_base_ = [
    "_base_/default_runtime.py",
    "_base_/models/metric_tiny.py",
    "_base_/datasets/synthetic_multi_view.py",
]

# optimizer
# bfloat16 halves the time of a step on processors that have it.
optim_wrapper = dict(
    type="part_synth.AutocastOptimWrapper",
    optimizer=dict(type="Adam", lr=2e-3, fused=True),
    clip_grad=dict(max_norm=5.0),
)

# schedule
max_epochs = 8
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
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
custom_hooks = [
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(
        type="part_synth.ResultsTableHook",
        compare=[
            dict(
                name="the same labels alone",
                path="work_dirs/metric_synthetic_supervised/results.json",
                hint="python tools/train.py configs/metric_synthetic_supervised.py",
            )
        ],
    ),
]
