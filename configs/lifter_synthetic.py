# 3D from the 2D joints of the embedded data set, without any 3D pose. Bone lengths are means over
# the unpaired poses, of people who are in no video.
_base_ = [
    "_base_/schedules/lifter.py",
    "_base_/models/lifter_geometric.py",
    "_base_/datasets/synthetic_keypoints.py",
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
