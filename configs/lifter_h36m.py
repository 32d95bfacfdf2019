# 3D from the 2D joints of Human3.6M, without any 3D pose. What is known in 3D is one number per
# bone: its mean length over the training people.
_base_ = [
    "_base_/schedules/lifter.py",
    "_base_/models/lifter_geometric.py",
    "_base_/datasets/h36m_keypoints.py",
]

# model
model = dict(
    objective=dict(
        losses=dict(
            bones=dict(
                type="part_synth.BoneRatioLoss", ratios={{_base_.reference_poses}}, loss_weight=10.0
            )
        )
    )
)
