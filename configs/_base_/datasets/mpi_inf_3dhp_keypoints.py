# 2D joints of MPI-INF-3DHP in mmpose's preprocessed layout (annotations/; images are not read).
# TS1 to TS6 are the test set. S8 is kept back to choose the checkpoint.
_base_ = ["keypoints.py"]
data_root = "data/mpi_inf_3dhp/"
# Any npz of 3D poses: for the baselines, and for the mean lengths of bones.
reference_poses = "data/synthetic_mocap/unpaired_poses.npz"
_source = dict(layout="mpi_inf_3dhp", data_root=data_root)

# loaders
train_dataloader = dict(
    dataset=dict(**_source, subjects=["S1", "S2", "S3", "S4", "S5", "S6", "S7"])
)
val_dataloader = dict(dataset=dict(**_source, split="train", subjects=["S8"], frame_step=50))
# The test set is small: every frame counts.
test_dataloader = dict(dataset=_source)

# evaluators
val_evaluator = dict(reference_poses=reference_poses)
test_evaluator = dict(reference_poses=reference_poses)
