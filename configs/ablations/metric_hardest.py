# The hardest negative of the batch (HardNet, as in the paper) in place of all negatives (InfoNCE).
_base_ = ["../metric_synthetic.py"]

# model
model = dict(metric_loss=dict(_delete_=True, type="part_synth.HardestNegativeLoss", warm_up=1000))
