# The same lifter with the 3D labels of every training frame: the ceiling, not a method of ours.
_base_ = ["lifter_cmu.py"]

# optimizer
optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.999)))

# schedule
# It has learned what it can in a fraction of the time.
max_epochs = 8
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        T_max=max_epochs,
        eta_min_ratio=0.02,
    ),
]

# model
model = dict(objective=dict(_delete_=True, type="part_synth.SupervisedLifting"))

# loaders
train_dataloader = dict(dataset=dict(real=False, labels=True))
