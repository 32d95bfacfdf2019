# System C at full size: 224-pixel crops, ResNet-18 as in the paper.
model = dict(
    type="part_synth.MetricPoseModel",
    encoder=dict(
        type="part_synth.EmbeddingEncoder",
        # ImageNet weights come from torch.hub's cache, or from `checkpoint=FILE`.
        backbone=dict(type="part_synth.TorchvisionResNet", depth=18, out_indices=(1, 2, 3)),
        pyramid_channels=128,
        embedding_size=128,
    ),
    head=dict(type="part_synth.CanonicalPoseHead", embedding_size=128),
    pose_loss=dict(type="part_synth.CanonicalPoseLoss"),
    distance_loss=dict(type="part_synth.PoseDistanceLoss", loss_weight=1.0),
    metric_loss=dict(type="part_synth.InfoNCELoss", temperature=0.1, loss_weight=1.0),
    consensus=dict(type="part_synth.ViewConsensusLoss", start=4000),
    min_gap=0.5,
)
