"""Metrics: pure functions in ``functional``, trivial answers in ``baselines``, and the metrics.

``PoseMetric``, ``PartSegMetric``, for embeddings ``PoseRetrievalMetric``, ``IdentityProbeMetric``
and ``ViewSyncMetric`` plug into any mmengine evaluator; what they compute is also there without a
runner (``evaluate_poses``, ``evaluate_baselines``, ``evaluate_retrieval``, ``functional``).
``NovelImageMetric`` compares synthesised frames with true ones by ``psnr`` and ``ssim``.
"""

from part_synth.evaluation.baselines import (
    canonical_mean_pose,
    load_reference_poses,
    random_poses,
)
from part_synth.evaluation.identity_probe import IdentityProbeMetric, evaluate_identity_probe
from part_synth.evaluation.image_quality import psnr, ssim
from part_synth.evaluation.novel_image_metric import NovelImageMetric, compare_images
from part_synth.evaluation.part_seg_metric import PartSegMetric
from part_synth.evaluation.pose_metric import (
    PoseMetric,
    evaluate_actions,
    evaluate_baselines,
    evaluate_poses,
)
from part_synth.evaluation.reconstruction_metric import PriorReconstructionMetric
from part_synth.evaluation.retrieval import evaluate_retrieval
from part_synth.evaluation.retrieval_metric import PoseRetrievalMetric
from part_synth.evaluation.view_sync_metric import ViewSyncMetric

__all__ = [
    "IdentityProbeMetric",
    "NovelImageMetric",
    "PartSegMetric",
    "PoseMetric",
    "PoseRetrievalMetric",
    "PriorReconstructionMetric",
    "ViewSyncMetric",
    "canonical_mean_pose",
    "compare_images",
    "evaluate_actions",
    "evaluate_baselines",
    "evaluate_identity_probe",
    "evaluate_poses",
    "evaluate_retrieval",
    "load_reference_poses",
    "psnr",
    "random_poses",
    "ssim",
]
