# With a normalising flow over 2D poses, fitted beforehand and frozen, beside the critic (ElePose,
# CVPR 2022).
_base_ = ["lifter_cmu.py"]

# model
model = dict(
    objective=dict(
        losses=dict(
            flow=dict(
                type="part_synth.FlowPriorLoss",
                prior=dict(type="part_synth.FlowPrior"),
                loss_weight=0.03,
            )
        )
    )
)
