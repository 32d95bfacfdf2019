# Unlabelled videos of four cameras that were started together; nobody calibrated them. What one
# instant's views are read as must agree.
_base_ = ["../part_synth_synthetic.py"]

# loaders
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="part_synth.MultiViewDataset",
        data_root={{_base_.data_root}},
        synthetic={{_base_.synthetic}},
        split="train",
        num_views=4,
        crop=dict(
            size={{_base_.image_size}},
            padding={{_base_.box_padding}},
            shift=0.06,
            scale=0.12,
            flip=0.5,
            background="median",
            cache="encoded",
            labels=False,
        ),
    ),
)
