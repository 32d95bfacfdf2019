# The labels of one person, and for all others what the lifter of the package makes of their 2D
# joints: system B teaches system C. Needs 2D joints of the training frames, annotated or detected
# (layout_options=dict(keypoint_file=...) of the data set).
_base_ = ["metric_synthetic.py"]

# loaders
# A pseudo-label counts nearly as much as a label; at 1 the views would have nothing to agree on.
train_dataloader = dict(
    batch_sampler=dict(groups=1, labelled=4), dataset=dict(pseudo_labels=dict(weight=0.8))
)
