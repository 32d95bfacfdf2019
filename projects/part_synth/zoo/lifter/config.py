interval = 0.1
model = dict(
    distance=7.0,
    lifter=dict(num_blocks=2, type="part_synth.FrameLifter", width=384),
    type="part_synth.LiftingModel",
)
