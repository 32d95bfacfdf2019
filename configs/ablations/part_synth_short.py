# The short form that the ablation takes pieces from or adds them to: part_synth_synthetic.py with
# crops of 64 pixels and fewer steps. `tools/analysis/ablation.py` has the rows.
_base_ = ["../part_synth_synthetic.py"]

# schedule
max_epochs = 7
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
# Rows that differ after the puppets are continued from the checkpoint of epoch 4.
default_hooks = dict(checkpoint=dict(max_keep_ckpts=-1))
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=4, cycle=["puppet"]),
            dict(cycle=["puppet", "synthesis", "cycle", "puppet"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.ResultsTableHook", untrained=False),
]

# loaders
_crop = dict(size=64)
train_dataloader = dict(dataset=dict(crop=_crop))
val_dataloader = dict(dataset=dict(crop=_crop))
test_dataloader = dict(dataset=dict(crop=_crop))
