# System A at full size: 224-pixel crops, ResNet-50 as in the group's papers.
model = dict(
    type="part_synth.PartSynth",
    data_preprocessor=dict(type="part_synth.PartSynthDataPreprocessor"),
    encoder=dict(
        type="part_synth.PoseEncoder",
        # ImageNet weights come from torch.hub's cache, or from `checkpoint=FILE`.
        backbone=dict(type="part_synth.TorchvisionResNet", depth=50, out_indices=(1, 2, 3)),
        pyramid_channels=128,
        part_head=dict(type="part_synth.PartMapHead", detail_channels=32, hidden=64),
        global_channels=512,
        hidden=1024,
        code_size=32,
        # A standing person of 1.7 m fills 0.68 of the crop at this scale; the start, not a bound.
        mean_scale=0.8,
    ),
    prior=dict(type="part_synth.PosePrior", code_size=32, hidden=512),
    puppet=dict(type="part_synth.Puppet", depth_sharpness=40.0, learn_radii=True),
    appearance=dict(type="part_synth.AppearanceEncoder", channels=32, hidden=48),
    decoder=dict(
        type="part_synth.SynthesisDecoder",
        num_parts=14,
        appearance_channels=32,
        channels=(32, 64, 128),
    ),
    # Metres; the cameras of Human3.6M stand 4 to 6 metres away.
    camera_distance=4.5,
    flip_test=True,
    objectives=dict(
        # Outlines are even; see part_synth_synthetic.py.
        puppet=dict(
            type="part_synth.PuppetPretraining",
            painter=dict(type="part_synth.DressedPuppetPainter", joint_std=0.0, outline_std=0.0),
            batch_size=64,
            fresh=32,
            # Puppets that come again are mirrored and in other colours.
            vary=dict(),
        ),
        # Real frames teach the decoder to paint.
        synthesis=dict(
            type="part_synth.NovelImageSynthesis", train_pose=False, optimizers=("synthesizer",)
        ),
        cycle=dict(type="part_synth.SynthesisCycle"),
    ),
)
