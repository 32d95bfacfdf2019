# System A on one's own videos without any label: ResNet-50, 224 pixels, full schedule, for a GPU.
_base_ = [
    "_base_/default_runtime.py",
    "_base_/schedules/part_synth_full.py",
    "_base_/models/part_synth_res50.py",
    "_base_/datasets/wild_frames.py",
]

# schedule
# Nothing to validate on.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs={{_base_.max_epochs}}, _delete_=True)
val_cfg = None

# hooks
default_hooks = dict(checkpoint=dict(save_best=None))
# As the full schedule has them, less those that show validation.
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=10000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=20, cycle=["puppet"]),
            dict(cycle=["puppet", "synthesis", "cycle", "puppet"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.001, priority="NORMAL"),
]

# model
model = dict(unpaired_poses={{_base_.unpaired_poses}})
