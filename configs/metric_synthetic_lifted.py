# The labels of one person, and for all others what the lifter of the package makes of their 2D
# joints: system B teaches system C. Needs 2D joints of the training frames, annotated or detected
# (layout_options=dict(keypoint_file=...) of the data set).
_base_ = ["metric_synthetic.py"]

# schedule
# With labels for every frame there is more to learn.
max_epochs = 16
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        T_max=max_epochs,
        eta_min_ratio=0.02,
    ),
]

# loaders
# A pseudo-label counts nearly as much as a label; at 1 the views would have nothing to agree on.
train_dataloader = dict(
    batch_sampler=dict(groups=1, labelled=4), dataset=dict(pseudo_labels=dict(weight=0.8))
)
