# Systems A and C joined: the label-free image model in the package gives the trunk and reads the
# poses of the unlabelled frames; four synchronised views, these readings and the labels of one
# person train the model. No 2D joint of anybody else is used.
_base_ = ["metric_synthetic.py"]

# optimizer
# The trunk has seen far more poses, on puppets, than these videos hold: it hardly moves.
_trunk = dict(lr_mult=0.02)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=_trunk,
            laterals=_trunk,
            smooth=_trunk,
            joints_head=_trunk,
            pool=_trunk,
            local=_trunk,
            trunk=_trunk,
        )
    )
)

# loaders
# A pseudo-label counts nearly as much as a label; at 1 the views would have nothing to agree on.
train_dataloader = dict(
    batch_sampler=dict(groups=1, labelled=4),
    dataset=dict(
        # agree=True, labels that the views agree on, are nearer to the truth and teach less: no
        # single picture tells what they say (docs/results/metric_synthetic).
        pseudo_labels=dict(image_model="part_synth_synthetic_64px", weight=0.8),
    ),
)

# model
model = dict(
    encoder=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint="part_synth://part_synth_synthetic_64px",
            prefix="encoder.",
        )
    ),
    # Poses are known of nearly all frames: their distances say more than which instants differ.
    distance_loss=dict(loss_weight=5.0),
    metric_loss=dict(loss_weight=0.3),
)
