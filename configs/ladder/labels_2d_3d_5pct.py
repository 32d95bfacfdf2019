# 2D joints of every training frame, 3D joints of 5 % of them.
_base_ = ["labels_3d_5pct.py"]

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=6, cycle=["puppet"]),
            dict(cycle=["puppet", "labelled_2d", "puppet", "labelled"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(
    objectives=dict(
        labelled=dict(source="labelled"),
        labelled_2d=dict(
            type="part_synth.SupervisedPose",
            # Depth comes from the few labels, the prior and the puppets.
            reading_loss=dict(type="part_synth.PoseReadingLoss", joints_cam=0.0, depths=False),
        ),
    ),
)

# loaders
train_dataloader = dict(
    dataset=dict(datasets=dict(videos=dict(crop=dict(labels=True, part_labels=False))))
)
