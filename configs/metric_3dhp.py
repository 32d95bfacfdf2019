# System C on MPI-INF-3DHP: synchronised views, the labels of S1 alone, for a GPU.
_base_ = [
    "_base_/default_runtime.py",
    "_base_/schedules/metric_full.py",
    "_base_/models/metric_res18.py",
    "_base_/datasets/mpi_inf_3dhp_multi_view.py",
]
