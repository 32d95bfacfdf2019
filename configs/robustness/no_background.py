# The frame alone: the empty scene is not known.
_base_ = ["../part_synth_synthetic.py"]

# loaders
test_dataloader = dict(dataset=dict(crop=dict(background=None)))
