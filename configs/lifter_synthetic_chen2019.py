# The losses of Chen et al. (CVPR 2019) alone, on the 2D joints of the embedded data set.
_base_ = ["lifter_cmu_chen2019.py"]
data_root = "data/synthetic_mocap/"
synthetic = dict(subjects=(32, 4, 4), cameras=4, frames_per_subject=100, size=128, seed=0)
reference_poses = data_root + "unpaired_poses.npz"
_source = dict(data_root=data_root, synthetic=synthetic)


# loaders
train_dataloader = dict(dataset=_source)
val_dataloader = dict(dataset=dict(**_source, frame_step=1))
test_dataloader = dict(dataset=_source)

# evaluators
val_evaluator = dict(reference_poses=reference_poses)
test_evaluator = dict(reference_poses=reference_poses)
