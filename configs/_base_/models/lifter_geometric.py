# Cycle and adversarial losses of Chen et al. (CVPR 2019), with the learned elevation and the
# deformation loss of ElePose (CVPR 2022). Bone lengths are added where they are known.
_net = dict(width=384, num_blocks=2)
model = dict(
    type="part_synth.LiftingModel",
    lifter=dict(type="part_synth.FrameLifter", **_net),
    # A person 0.7 m from head to root, 5 m away.
    distance=7.0,
    objective=dict(
        type="part_synth.GeometricSelfSupervision",
        views=dict(type="part_synth.LearnedElevationViews", **_net),
        losses=dict(
            cycle_2d=dict(type="part_synth.Cycle2DLoss", loss_weight=1.0),
            cycle_3d=dict(type="part_synth.Cycle3DLoss", loss_weight=1.0),
            deformation=dict(type="part_synth.DeformationLoss", loss_weight=1.0),
        ),
        adversarial=dict(
            pose=dict(
                type="part_synth.PoseAdversarialLoss",
                critic=dict(type="part_synth.PoseCritic", **_net),
                loss_weight=3.0,
            ),
        ),
    ),
)
