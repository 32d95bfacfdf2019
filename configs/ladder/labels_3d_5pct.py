# 3D joints of 5 % of the training frames; the others are used without labels.
_base_ = ["../part_synth_synthetic.py"]

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=6, cycle=["puppet"]),
            dict(cycle=["puppet", "labelled", "synthesis", "cycle", "labelled"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(objectives=dict(labelled=dict(type="part_synth.SupervisedPose")))

# loaders
_crop = dict(
    size={{_base_.image_size}},
    padding={{_base_.box_padding}},
    shift=0.06,
    scale=0.12,
    flip=0.5,
    background="median",
    cache="encoded",
)
train_dataloader = dict(
    batch_size=12,
    sampler=dict(samples_per_epoch=6000),
    batch_sampler=dict(type="part_synth.MixtureBatchSampler", counts=dict(videos=6, labelled=6)),
    dataset=dict(
        _delete_=True,
        type="part_synth.MixtureDataset",
        datasets=dict(
            videos=dict(
                type="part_synth.VideoPairDataset",
                data_root={{_base_.data_root}},
                synthetic={{_base_.synthetic}},
                split="train",
                num_frames=4,
                min_gap=0.3,
                same_clip=False,
                crop=dict(**_crop, labels=False),
            ),
            labelled=dict(
                type="part_synth.MultiViewDataset",
                data_root={{_base_.data_root}},
                synthetic={{_base_.synthetic}},
                split="train",
                num_views=4,
                labelled=dict(fraction=0.05),
                only_labelled=True,
                crop=dict(**_crop, part_labels=False),
            ),
        ),
    ),
)
