# 3D from the 2D joints of one's own videos, without any 3D pose: minutes on a processor.
_base_ = [
    "_base_/schedules/lifter.py",
    "_base_/models/lifter_geometric.py",
    "_base_/datasets/wild_keypoints.py",
]

# schedule
# Nothing to validate on.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs={{_base_.max_epochs}}, _delete_=True)
val_cfg = None

# hooks
default_hooks = dict(checkpoint=dict(save_best=None))
# As the schedule has them, less those that show validation.
custom_hooks = [
    dict(type="part_synth.LiftingPriorsHook"),
    dict(type="EMAHook", momentum=0.01, interval=5, priority="NORMAL"),
]
