# System A at the size of two processor cores: 3.5 million weights; crops as the config says.
model = dict(
    type="part_synth.PartSynth",
    data_preprocessor=dict(type="part_synth.PartSynthDataPreprocessor"),
    encoder=dict(
        type="part_synth.PoseEncoder",
        backbone=dict(
            type="part_synth.TinyResNet",
            # Depth where maps are small is cheap, and tells left from right: with one block per
            # stage the heat maps learnt half as fast.
            stem_channels=24,
            channels=(48, 96, 192),
            blocks=(1, 2, 3),
            in_channels=6,
        ),
        # The cameras stand still: the difference to the empty scene is worth 10 mm of P-MPJPE. A
        # fifth of the training images go without, so that single pictures can be read too.
        use_background=True,
        background_dropout=0.2,
        pyramid_channels=64,
        # Parts as seen.
        part_head=dict(type="part_synth.PartMapHead", image_channels=6),
        code_size=32,
        # A standing person of 1.7 m fills 0.68 of the crop at this scale; the start, not a bound.
        mean_scale=0.8,
    ),
    prior=dict(type="part_synth.PosePrior", code_size=32, hidden=256),
    puppet=dict(type="part_synth.Puppet", depth_sharpness=40.0, learn_radii=True),
    appearance=dict(type="part_synth.AppearanceEncoder", channels=16),
    decoder=dict(type="part_synth.SynthesisDecoder", num_parts=14, appearance_channels=16),
    # Metres; made cameras stand 4.6 to 7 away, those of Human3.6M 4 to 6.
    camera_distance=4.5,
    # Worth 2 mm of P-MPJPE on validation people.
    flip_test=True,
)
