# The same start as metric_synthetic_joined.py, and the labels alone: what the views bring on top of
# the label-free image model.
_base_ = ["../metric_synthetic_supervised.py"]

# model
model = dict(
    encoder=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint="part_synth://part_synth_synthetic_64px",
            prefix="encoder.",
        )
    )
)
