# 2D joints of every training frame.
_base_ = ["../part_synth_synthetic.py"]

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[dict(until=6, cycle=["puppet"]), dict(cycle=["puppet", "labelled"])],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(
    objectives=dict(
        labelled=dict(
            type="part_synth.SupervisedPose",
            # Depth comes from the prior and the puppets.
            reading_loss=dict(type="part_synth.PoseReadingLoss", joints_cam=0.0, depths=False),
        ),
    ),
)

# loaders
train_dataloader = dict(dataset=dict(crop=dict(labels=True, part_labels=False)))
