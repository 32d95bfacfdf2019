# System C at the size of two processor cores: 64-pixel crops, the trunk of part_synth_tiny.py.
model = dict(
    type="part_synth.MetricPoseModel",
    encoder=dict(
        type="part_synth.EmbeddingEncoder",
        backbone=dict(
            type="part_synth.TinyResNet",
            stem_channels=24,
            channels=(48, 96, 192),
            blocks=(1, 2, 3),
            in_channels=6,
        ),
        use_background=True,
        background_dropout=0.2,
        embedding_size=128,
    ),
    head=dict(type="part_synth.CanonicalPoseHead", embedding_size=128),
    pose_loss=dict(type="part_synth.CanonicalPoseLoss"),
    distance_loss=dict(type="part_synth.PoseDistanceLoss", loss_weight=1.0),
    metric_loss=dict(type="part_synth.InfoNCELoss", temperature=0.1, loss_weight=1.0),
    consensus=dict(type="part_synth.ViewConsensusLoss", start=700),
)
