# Boxes as a detector gives them: centre and side up to 10 % of the side beside the annotated ones.
_base_ = ["../part_synth_synthetic.py"]

# loaders
test_dataloader = dict(dataset=dict(crop=dict(shift=0.1, scale=0.1)))
