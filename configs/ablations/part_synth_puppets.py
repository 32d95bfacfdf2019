# Puppets alone, for as many steps as part_synth_synthetic.py has: what real frames must beat.
_base_ = ["../part_synth_synthetic.py"]

# hooks
custom_hooks = [
    dict(type="part_synth.PosePriorHook", steps=2000),
    dict(type="part_synth.ObjectiveScheduleHook", phases=[dict(cycle=["puppet"])]),
    dict(type="EMAHook", momentum=0.005, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]
