# The painter of a trained model learns on, with puppets fitted to the parts that the part head
# sees: sharper pictures and parts. The encoder, and with it the pose, stays as it is. Of another
# model than the one in the package: --cfg-options load_from=CHECKPOINT
_base_ = ["part_synth_synthetic.py"]

load_from = "part_synth://part_synth_synthetic_long"

# optimizer
optim_wrapper = dict(synthesizer=dict(optimizer=dict(lr=1e-3)))

# schedule: 600 steps; short epochs, as a run that is killed goes on from the last whole one
max_epochs = 3
train_cfg = dict(max_epochs=max_epochs)
_schedule = [
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        T_max=max_epochs,
        eta_min_ratio=0.02,
    )
]
param_scheduler = dict(encoder=_schedule, synthesizer=_schedule)

# hooks
custom_hooks = [
    dict(type="part_synth.ObjectiveScheduleHook", phases=[dict(cycle=["synthesis"])]),
    # Beside the trained painter, the model as it was.
    dict(type="part_synth.ResultsTableHook"),
]
# The pose stays as it is, whatever the painter learns.
default_hooks = dict(checkpoint=dict(save_best="part_miou_pct", rule="greater"))

# model
model = dict(part_source="decoder", puppet_fit=dict(type="part_synth.PuppetFit"))

# loaders
train_dataloader = dict(sampler=dict(samples_per_epoch=1200))
