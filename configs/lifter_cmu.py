# 3D from 2D joints without any 3D pose, on motion capture seen by virtual cameras. What is known in
# 3D is one number per bone: its mean length over the training people.
_base_ = [
    "_base_/schedules/lifter.py",
    "_base_/models/lifter_geometric.py",
    "_base_/datasets/cmu_keypoints.py",
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
