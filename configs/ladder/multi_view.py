# Unlabelled videos of four cameras that were started together; nobody calibrated them. A label-free
# model reads every view, and what the views of an instant agree on, with cameras that stand still,
# teaches the model anew, at the half of the instants whose views agree best.
_base_ = ["../part_synth_synthetic.py"]

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[dict(until=6, cycle=["puppet"]), dict(cycle=["puppet", "agreed"])],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(objectives=dict(agreed=dict(type="part_synth.SupervisedPose")))

# loaders
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="part_synth.MultiViewDataset",
        data_root={{_base_.data_root}},
        synthetic={{_base_.synthetic}},
        split="train",
        num_views=4,
        labelled=dict(fraction=0.0),
        # Of the model in the package, which learned for longer; the row in docs/results has
        # (config, checkpoint) of the same run's puppets instead.
        pseudo_labels=dict(image_model="part_synth_synthetic_long", agree=True, keep=0.5),
        crop=dict(
            size={{_base_.image_size}},
            padding={{_base_.box_padding}},
            shift=0.06,
            scale=0.12,
            flip=0.5,
            background="median",
            cache="encoded",
            part_labels=False,
        ),
    ),
)
