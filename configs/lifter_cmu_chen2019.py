# The losses of Chen et al. (CVPR 2019) alone: cycles, 2D pose critic, critic of frame differences;
# the camera's elevation within 20 degrees of level; nothing known in 3D.
_base_ = ["lifter_cmu.py"]

# optimizer
# As usual in re-implementations. At ten times that the critics win after 3,000 steps and the poses,
# whose bones nothing holds, drift away (52 mm, then 88, on validation people).
optim_wrapper = dict(optimizer=dict(lr=2e-4))

# model
_critic = dict(type="part_synth.PoseCritic", width=384, num_blocks=2)
model = dict(
    distance=10.0,
    objective=dict(
        views=dict(_delete_=True, type="part_synth.UniformViews", max_elevation=20.0),
        losses=dict(bones=None, deformation=None),
        adversarial=dict(
            pose=dict(loss_weight=1.0),
            motion=dict(type="part_synth.MotionAdversarialLoss", critic=_critic),
        ),
    ),
)

# loaders
# As many poses in a step as with single frames.
train_dataloader = dict(
    batch_size=128,
    sampler=dict(samples_per_epoch=128000),
    dataset=dict(num_frames=2, interval=0.1),
)
