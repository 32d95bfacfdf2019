# 2D poses of other people seen by other cameras, those of the embedded set, join the training set
# after an adapter has brought them closer to it (Chen et al., CVPR 2019).
_base_ = ["lifter_cmu.py"]

# hooks
custom_hooks = [
    dict(
        type="part_synth.KeypointAdapterHook",
        # None: they join as they are.
        adapter=dict(type="part_synth.KeypointAdapter"),
        external=dict(
            type="part_synth.KeypointClipDataset",
            data_root="data/synthetic_mocap/",
            synthetic=dict(
                subjects=(32, 4, 4), cameras=4, frames_per_subject=100, size=128, seed=0
            ),
            split="train",
        ),
    ),
    dict(type="part_synth.LiftingPriorsHook"),
    dict(type="EMAHook", momentum=0.01, interval=5, priority="NORMAL"),
    dict(type="part_synth.PredictionSheetHook", interval=1),
    dict(type="part_synth.ResultsTableHook"),
]
