# 2D joints of every training frame.
_base_ = ["no_labels.py"]

# model
model = dict(
    objectives=dict(
        real=dict(
            _delete_=True,
            type="part_synth.SupervisedPose",
            # Depth comes from the prior and the puppets.
            reading_loss=dict(type="part_synth.PoseReadingLoss", joints_cam=0.0, depths=False),
        ),
    ),
)

# loaders
train_dataloader = dict(dataset=dict(crop=dict(labels=True, part_labels=False)))
