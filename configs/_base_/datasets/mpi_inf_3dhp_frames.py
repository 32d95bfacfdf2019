# MPI-INF-3DHP in mmpose's preprocessed layout (annotations/, images/). Pipelines and loaders are
# those of Human3.6M.
# TS1 to TS6 are the test set. S8 is kept back to choose the checkpoint.
_base_ = ["h36m_frames.py"]
data_root = "data/mpi_inf_3dhp/"
_source = dict(layout="mpi_inf_3dhp", data_root=data_root)

# loaders
train_dataloader = dict(
    dataset=dict(**_source, subjects=["S1", "S2", "S3", "S4", "S5", "S6", "S7"])
)
val_dataloader = dict(dataset=_source)
# The test set is small: every frame counts.
test_dataloader = dict(dataset=dict(**_source, frame_step=1))
