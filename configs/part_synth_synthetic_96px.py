# The long form of part_synth_synthetic_64px.py for processors: crops of 96 pixels, half as many
# again steps, in about 100 minutes on one core.
_base_ = ["part_synth_synthetic_64px.py"]

# schedule
max_epochs = 24
train_cfg = dict(max_epochs=max_epochs)
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
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=14, cycle=["puppet"]),
            dict(cycle=["uneven", "synthesis", "cycle", "uneven", "consistency"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# loaders
_crop = dict(size=96)
train_dataloader = dict(dataset=dict(crop=_crop))
val_dataloader = dict(dataset=dict(crop=_crop))
test_dataloader = dict(dataset=dict(crop=_crop))
