# System A on one's own videos, cameras that stand still and cameras that move together: the former
# keep their backgrounds, the latter have none.
_base_ = ["part_synth_wild.py"]

# loaders
_crop = dict(
    size={{_base_.image_size}},
    padding={{_base_.box_padding}},
    shift=0.06,
    scale=0.12,
    flip=0.5,
    labels=False,
)
_videos = dict(
    type="part_synth.VideoPairDataset",
    layout="wild",
    data_root={{_base_.data_root}},
    num_frames=2,
    min_gap=0.5,
)
train_dataloader = dict(
    batch_sampler=dict(type="part_synth.MixtureBatchSampler", counts=dict(still=8, moving=8)),
    dataset=dict(
        _delete_=True,
        type="part_synth.MixtureDataset",
        datasets=dict(
            still=dict(
                **_videos,
                layout_options=dict(moving=False),
                crop=dict(**_crop, background="median"),
            ),
            moving=dict(**_videos, layout_options=dict(moving=True), crop=_crop),
        ),
    ),
)
