# The same test people and motions before cameras of which training saw none: 3 to 4 m away and
# above head height (training: 4.6 to 7 m, 0.7 to 3 m high).
_base_ = ["../part_synth_synthetic.py"]

# loaders
test_dataloader = dict(
    dataset=dict(
        data_root="data/robustness/near_high_cameras/",
        synthetic=dict(
            _delete_=True,
            subjects=(1, 0, 4),
            seed=0,
            camera_distance=(3.0, 4.0),
            camera_height=(3.0, 4.0),
            unpaired_poses=1000,
        ),
    )
)
