# Systems A and C joined: the label-free image model in the package gives the trunk and reads the
# poses of the unlabelled frames; what four synchronised views make of its readings, and the labels
# of one person, train the model. No 2D joint of anybody else is used.
_base_ = ["metric_synthetic.py"]

# loaders
# A pseudo-label counts nearly as much as a label; at 1 the views would have nothing to agree on.
train_dataloader = dict(
    batch_sampler=dict(groups=1, labelled=4),
    dataset=dict(
        pseudo_labels=dict(image_model="part_synth_synthetic", agree=True, weight=0.8),
    ),
)

# model
model = dict(
    encoder=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint="part_synth://part_synth_synthetic",
            prefix="encoder.",
        )
    )
)
