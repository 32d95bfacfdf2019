# A lifter that reads each pose with its neighbours in time, and a critic of motion.
_base_ = ["lifter_cmu.py"]

# model
_net = dict(width=384, num_blocks=2)
model = dict(
    lifter=dict(_delete_=True, type="part_synth.ClipLifter", reach=4, **_net),
    objective=dict(
        adversarial=dict(
            motion=dict(
                type="part_synth.MotionAdversarialLoss",
                critic=dict(type="part_synth.PoseCritic", **_net),
            )
        )
    ),
)

# loaders
# 0.4 s to either side.
_clip = dict(num_frames=9, interval=0.1)
train_dataloader = dict(batch_size=64, sampler=dict(samples_per_epoch=64000), dataset=dict(**_clip))
val_dataloader = dict(dataset=_clip)
test_dataloader = dict(dataset=_clip)
