# Triplets with all negatives of the batch in place of InfoNCE.
_base_ = ["../metric_synthetic.py"]

# model
model = dict(metric_loss=dict(_delete_=True, type="part_synth.TripletLoss", margin=0.3))
