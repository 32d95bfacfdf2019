# The long form of part_synth_synthetic.py for processors: 12,000 instead of 5,000 steps, about 100
# minutes on one core with bfloat16.
_base_ = ["part_synth_synthetic.py"]

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
            dict(cycle=["puppet", "synthesis", "cycle", "puppet"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]
