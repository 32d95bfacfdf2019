# The published habit of the paper's group: every loss on real frames has an optimiser of its own
# and its own turn, so that no weights between losses need tuning.
_base_ = ["part_synth_short.py"]

# optimizer
_pose = ["encoder", "puppet"]
_paint = ["appearance", "decoder"]
optim_wrapper = dict(
    allow_shared=True,
    foreground=dict(modules=_pose, optimizer=dict(type="Adam", lr=5e-4)),
    reconstruction=dict(modules=_pose + _paint, optimizer=dict(type="Adam", lr=5e-4)),
    parts=dict(modules=_pose, optimizer=dict(type="Adam", lr=5e-4)),
)

# schedule
param_scheduler = dict(
    foreground={{_base_.param_scheduler.encoder}},
    reconstruction={{_base_.param_scheduler.encoder}},
    parts={{_base_.param_scheduler.encoder}},
)

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(
        type="part_synth.ObjectiveScheduleHook",
        phases=[
            dict(until=4, cycle=["puppet"]),
            dict(cycle=["puppet", "foreground", "puppet", "reconstruction", "puppet", "parts"]),
        ],
    ),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.ResultsTableHook", untrained=False),
]

# model
_off = dict(
    reconstruction=None,
    flat_reconstruction=None,
    foreground=None,
    segmentation=None,
    agreement=None,
    reading=None,
    tie=None,
)
_synthesis = "part_synth.NovelImageSynthesis"
model = dict(
    objectives=dict(
        _delete_=True,
        puppet={{_base_.model.objectives.puppet}},
        foreground=dict(
            **{**_off, "foreground": dict(type="part_synth.ForegroundLoss")},
            type=_synthesis,
            optimizers=("foreground",),
        ),
        reconstruction=dict(
            **{**_off, "reconstruction": dict(type="part_synth.MultiScaleL1Loss")},
            type=_synthesis,
            optimizers=("reconstruction",),
        ),
        parts=dict(
            **{**_off, "agreement": dict(type="part_synth.PartAgreementLoss")},
            type=_synthesis,
            optimizers=("parts",),
        ),
    ),
)
