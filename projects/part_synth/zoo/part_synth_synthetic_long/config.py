model = dict(
    appearance=dict(channels=16, type="part_synth.AppearanceEncoder"),
    camera_distance=4.5,
    data_preprocessor=dict(type="part_synth.PartSynthDataPreprocessor"),
    decoder=dict(appearance_channels=16, num_parts=14, type="part_synth.SynthesisDecoder"),
    encoder=dict(
        backbone=dict(
            blocks=(
                1,
                2,
                3,
            ),
            channels=(
                48,
                96,
                192,
            ),
            in_channels=6,
            stem_channels=24,
            type="part_synth.TinyResNet",
        ),
        background_dropout=0.2,
        code_size=32,
        mean_scale=0.8,
        part_head=dict(image_channels=6, type="part_synth.SubpixelPartMapHead"),
        pyramid_channels=64,
        type="part_synth.PoseEncoder",
        use_background=True,
    ),
    flip_test=True,
    prior=dict(code_size=32, hidden=256, type="part_synth.PosePrior"),
    puppet=dict(depth_sharpness=40.0, learn_radii=True, type="part_synth.Puppet"),
    type="part_synth.PartSynth",
)
test_dataloader = dict(dataset=dict(crop=dict(padding=0.85, size=96)))
