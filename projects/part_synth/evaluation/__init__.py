"""Metrics: pure functions in ``functional``, trivial answers in ``baselines``, two metrics.

``PoseMetric`` and ``PartSegMetric`` plug into any mmengine evaluator; what they compute is also
there without a runner (``evaluate_poses``, ``evaluate_baselines``, ``functional``).
"""

from part_synth.evaluation.baselines import (
    canonical_mean_pose,
    load_reference_poses,
    random_poses,
)
from part_synth.evaluation.part_seg_metric import PartSegMetric
from part_synth.evaluation.pose_metric import (
    PoseMetric,
    evaluate_actions,
    evaluate_baselines,
    evaluate_poses,
)

__all__ = [
    "PartSegMetric",
    "PoseMetric",
    "canonical_mean_pose",
    "evaluate_actions",
    "evaluate_baselines",
    "evaluate_poses",
    "load_reference_poses",
    "random_poses",
]
