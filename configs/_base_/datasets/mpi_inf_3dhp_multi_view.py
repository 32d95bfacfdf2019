# MPI-INF-3DHP as moving people seen by several cameras at once. Loaders are those of Human3.6M.
_base_ = ["h36m_multi_view.py"]
data_root = "data/mpi_inf_3dhp/"
_source = dict(layout="mpi_inf_3dhp", data_root=data_root)

# loaders
train_dataloader = dict(
    dataset=dict(**_source, subjects=["S1", "S2", "S3", "S4", "S5", "S6", "S7"])
)
val_dataloader = dict(dataset=_source)
# The test set is small: every frame counts. Each of its sequences was seen by one camera, so poses
# can't be searched for across views.
test_dataloader = dict(dataset=dict(**_source, frame_step=1))

# evaluators
test_evaluator = [
    dict(
        type="part_synth.PoseMetric",
        reference_poses={{_base_.unpaired_poses}},
        per_action=True,
    ),
    dict(type="part_synth.PoseRetrievalMetric", protocols=("same_view",)),
]
