# System A on Human3.6M, MPI-INF-3DHP and one's own videos together, no label of any: ResNet-50, 224
# pixels, full schedule, for a GPU. Every source keeps its share of each batch; the cameras of one's
# own videos may move, so that their frames come without an empty scene.
_base_ = ["part_synth_h36m.py"]

# loaders
_crop = dict(
    size={{_base_.image_size}},
    padding={{_base_.box_padding}},
    shift=0.06,
    scale=0.12,
    flip=0.5,
    labels=False,
)
_videos = dict(type="part_synth.VideoPairDataset", num_frames=2, min_gap=0.5)
train_dataloader = dict(
    batch_sampler=dict(
        type="part_synth.MixtureBatchSampler", counts=dict(h36m=6, mpi_inf_3dhp=5, wild=5)
    ),
    dataset=dict(
        _delete_=True,
        type="part_synth.MixtureDataset",
        datasets=dict(
            h36m=dict(
                **_videos,
                layout="h36m",
                data_root={{_base_.data_root}},
                split="train",
                subjects=["S1", "S5", "S6", "S7"],
                crop=dict(**_crop, background="median"),
            ),
            mpi_inf_3dhp=dict(
                **_videos,
                layout="mpi_inf_3dhp",
                data_root="data/mpi_inf_3dhp/",
                split="train",
                subjects=["S1", "S2", "S3", "S4", "S5", "S6", "S7"],
                crop=dict(**_crop, background="median"),
            ),
            wild=dict(
                **_videos,
                layout="wild",
                data_root="data/wild/",
                layout_options=dict(moving=None),
                crop=_crop,
            ),
        ),
    ),
)
