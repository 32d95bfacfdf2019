# The same network trained on 5 % of the labels and nothing else, as many steps: what
# labels_3d_5pct.py must beat.
_base_ = ["../part_synth_synthetic.py"]

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(type="part_synth.ObjectiveScheduleHook", phases=[dict(cycle=["labelled"])]),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(
    # Nothing here teaches it parts: they are those of the puppet, as the decoder gives them.
    encoder=dict(part_head=None),
    objectives=dict(_delete_=True, labelled=dict(type="part_synth.SupervisedPose")),
)

# loaders
# As many images a step as the other rungs have puppets.
train_dataloader = dict(
    batch_size=16,
    sampler=dict(samples_per_epoch=8000),
    dataset=dict(
        _delete_=True,
        type="part_synth.MultiViewDataset",
        data_root={{_base_.data_root}},
        synthetic={{_base_.synthetic}},
        split="train",
        num_views=4,
        labelled=dict(fraction=0.05),
        only_labelled=True,
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
