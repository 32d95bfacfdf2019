# lifter_cmu.py with a critic of frame differences beside that of poses.
_base_ = ["../lifter_cmu.py"]

# model
model = dict(
    objective=dict(
        adversarial=dict(
            motion=dict(
                type="part_synth.MotionAdversarialLoss",
                critic=dict(type="part_synth.PoseCritic", width=384, num_blocks=2),
            )
        )
    )
)

# loaders
# As many poses in a step as with single frames.
train_dataloader = dict(
    batch_size=128,
    sampler=dict(samples_per_epoch=128000),
    dataset=dict(num_frames=2, interval=0.1),
)
