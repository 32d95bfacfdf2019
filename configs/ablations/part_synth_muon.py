# Another form of part_synth_synthetic.py: crops of 96 pixels for 12 epochs, Muon for convolutions,
# puppets that come again mirrored and in other colours, a part head of less cost.
_base_ = ["../part_synth_synthetic.py"]

# optimizer
optim_wrapper = dict(
    encoder=dict(
        optimizer=dict(
            _delete_=True, type="part_synth.Muon", lr=0.02, adam_lr=1.5e-3, linear=False
        ),
    ),
)

# schedule
max_epochs = 12
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
            dict(until=6, cycle=["puppet"]),
            dict(cycle=["uneven", "synthesis", "cycle", "uneven", "consistency"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
_puppets = dict(vary=dict(), start=512)
model = dict(
    encoder=dict(part_head=dict(type="part_synth.SubpixelPartMapHead")),
    objectives=dict(puppet=_puppets, uneven=_puppets, cycle=dict(repeats=1)),
)

# loaders
_crop = dict(size=96)
train_dataloader = dict(dataset=dict(crop=_crop))
val_dataloader = dict(dataset=dict(crop=_crop))
test_dataloader = dict(dataset=dict(crop=_crop))
