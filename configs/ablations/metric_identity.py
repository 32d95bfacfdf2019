# With an adversary that reads the person off the embedding.
_base_ = ["../metric_synthetic.py"]

# model
model = dict(identity=dict(type="part_synth.IdentityAdversary", num_people=32, loss_weight=0.1))
