# 3D joints of every training frame: the ceiling of the ladder.
_base_ = ["no_labels.py"]

# model
model = dict(objectives=dict(real=dict(_delete_=True, type="part_synth.SupervisedPose")))

# loaders
train_dataloader = dict(dataset=dict(crop=dict(labels=True, part_labels=False)))
