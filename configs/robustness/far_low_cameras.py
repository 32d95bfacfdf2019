# The same test people and motions before cameras of which training saw none: 8 to 12 m away and
# at knee height (training: 4.6 to 7 m, 0.7 to 3 m high).
_base_ = ["../part_synth_synthetic.py"]

# loaders
test_dataloader = dict(
    dataset=dict(
        data_root="data/robustness/far_low_cameras/",
        synthetic=dict(
            _delete_=True,
            subjects=(1, 0, 4),
            seed=0,
            camera_distance=(8.0, 12.0),
            camera_height=(0.3, 0.5),
            unpaired_poses=1000,
        ),
    )
)
