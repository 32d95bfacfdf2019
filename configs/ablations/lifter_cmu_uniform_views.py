# lifter_cmu.py with elevations drawn within 20 degrees of level instead of learned ones.
_base_ = ["../lifter_cmu.py"]

# model
model = dict(
    objective=dict(views=dict(_delete_=True, type="part_synth.UniformViews", max_elevation=20.0))
)
