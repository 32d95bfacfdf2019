# System A on Human3.6M without any label: ResNet-50, 224 pixels, full schedule, for a GPU.
_base_ = [
    "_base_/default_runtime.py",
    "_base_/schedules/part_synth_full.py",
    "_base_/models/part_synth_res50.py",
    "_base_/datasets/h36m_frames.py",
]

# model
model = dict(unpaired_poses={{_base_.unpaired_poses}})
