# 3D from the 2D joints of MPI-INF-3DHP, without any 3D pose of its people. Mean lengths of bones
# are those of the embedded data set, whose skeleton is not quite the same.
_base_ = [
    "_base_/schedules/lifter.py",
    "_base_/models/lifter_geometric.py",
    "_base_/datasets/mpi_inf_3dhp_keypoints.py",
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
