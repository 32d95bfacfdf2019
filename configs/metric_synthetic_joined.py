# Systems A and C joined: the trunk of the label-free image model in the package, then four
# synchronised views and the labels of one person. No 2D joint of anybody else is used.
_base_ = ["metric_synthetic.py"]

# model
model = dict(
    encoder=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint="part_synth://part_synth_synthetic",
            prefix="encoder.",
        )
    )
)
