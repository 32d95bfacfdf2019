# The same network, steps and images per step on the same labels alone: what metric learning has to
# beat. The ladder is climbed by the same option, train_dataloader.dataset.labelled.
_base_ = ["metric_synthetic.py"]

# hooks
custom_hooks = [
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]

# model
model = dict(metric_loss=None, consensus=None)

# loaders
train_dataloader = dict(batch_sampler=dict(groups=0, labelled=16))
