# The same test people, motions, rooms and cameras, in glaring colours that nobody wore before.
_base_ = ["../part_synth_synthetic.py"]

# loaders
test_dataloader = dict(
    dataset=dict(
        data_root="data/robustness/vivid_clothes/",
        synthetic=dict(
            _delete_=True, subjects=(1, 0, 4), seed=0, clothes="vivid", unpaired_poses=1000
        ),
    )
)
