# The short form that the ablation takes pieces from or adds them to: part_synth_synthetic.py with
# crops of 64 pixels, consistency, and uneven outlines in the last steps, as it was when the first
# rows were made. `tools/analysis/ablation.py` has the rows.
_base_ = ["../part_synth_synthetic.py"]

# hooks
# Rows that differ after the puppets are continued from the checkpoint of epoch 4.
default_hooks = dict(checkpoint=dict(max_keep_ckpts=-1))
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=4, cycle=["puppet"]),
            dict(cycle=["uneven", "synthesis", "cycle", "uneven", "consistency"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.ResultsTableHook", untrained=False),
]

# model
model = dict(
    objectives=dict(
        uneven=dict(
            type="part_synth.PuppetPretraining", batch_size=64, fresh=8, start=512, vary=dict()
        ),
        consistency=dict(type="part_synth.ReadingConsistency"),
    )
)

# loaders
_crop = dict(size=64)
train_dataloader = dict(dataset=dict(crop=_crop))
val_dataloader = dict(dataset=dict(crop=_crop))
test_dataloader = dict(dataset=dict(crop=_crop))
