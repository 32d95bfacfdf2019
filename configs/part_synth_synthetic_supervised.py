# The supervised twin: the same backbone, trunk, prior, budget and crops as part_synth_synthetic.py,
# with the 3D labels of every training frame. It is the ceiling, not a method of ours.
_base_ = ["part_synth_synthetic.py"]

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(type="part_synth.ObjectiveScheduleHook", phases=[dict(cycle=["supervised"])]),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(
    # Nothing here teaches it parts: they are those of the puppet, as the decoder gives them.
    encoder=dict(part_head=None),
    objectives=dict(_delete_=True, supervised=dict(type="part_synth.SupervisedPose")),
)

# loaders
# As many images per step as the label-free run has puppets.
train_dataloader = dict(
    batch_size=64,
    sampler=dict(samples_per_epoch=32000),
    dataset=dict(
        _delete_=True,
        type="part_synth.PoseFrameDataset",
        data_root={{_base_.data_root}},
        synthetic={{_base_.synthetic}},
        split="train",
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
