# Cameras that walk, pan and shake: there is no empty scene to compare with.
_base_ = ["../part_synth_synthetic.py"]

# loaders
test_dataloader = dict(
    dataset=dict(
        data_root="data/robustness/moving_camera/",
        synthetic=dict(
            _delete_=True, subjects=(1, 0, 4), seed=0, moving_camera=True, unpaired_poses=1000
        ),
        crop=dict(background=None),
    )
)
