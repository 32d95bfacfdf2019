"""The loss of the frames that have labels.

Symbols: B frames, K = 17 joints.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from part_synth.geometry import canonicalise_camera_pose, full_precision
from part_synth.models.losses.pose_losses import heat_map_cross_entropy
from part_synth.registry import MODELS

from .networks import PoseEmbedding


@MODELS.register_module()
class CanonicalPoseLoss(BaseModule):
    """Compare pose, orientation and heat maps with labels.

    Every term is a mean absolute difference over the labelled frames; its weight has the name of
    what it compares.

    Args:
        canonical: Weight on canonical joints, per metre.
        joints_cam: Weight on root-relative camera-frame joints, per metre.
        reading: Weight on the same joints as the heat maps read them.
        orientation: Weight on the entries of the rotation.
        heat: Weight on the heat-map reading of places and depths.
        heat_maps: Weight on the cross-entropy of the heat maps.
    """

    def __init__(
        self,
        canonical: float = 10.0,
        joints_cam: float = 5.0,
        reading: float = 5.0,
        orientation: float = 1.0,
        heat: float = 6.0,
        heat_maps: float = 4.0,
    ) -> None:
        super().__init__()
        self.weights = {
            "canonical": canonical,
            "joints_cam": joints_cam,
            "reading": reading,
            "orientation": orientation,
            "heat": heat,
            "heat_maps": heat_maps,
        }

    @full_precision
    def forward(
        self,
        joints: Tensor,
        rotations: Tensor,
        encoded: PoseEmbedding,
        joints_cam: Tensor,
        points: Tensor,
        weight: Tensor,
    ) -> dict[str, Tensor]:
        """Losses by name, weighted.

        Args:
            joints: (B, K, 3) predicted canonical joints, metres.
            rotations: (B, 3, 3) predicted rotations from the canonical to the camera frame.
            encoded: What the encoder read of all frames.
            joints_cam: (B, K, 3) true joints, camera frame, metres; anything where the weight is 0.
            points: (B, K, 2) true places, crop coordinates; anything where the weight is 0.
            weight: (B,) how much a frame's label counts: 1 for labels, less for pseudo-labels, 0
                for frames without.
        """
        kept = weight > 0
        if not kept.any():
            # Connected to the parameters, as distributed training wants it.
            return {"loss_canonical": 0 * (joints.sum() + rotations.sum())}
        share = weight[kept] / weight[kept].sum()
        target_cam = joints_cam[kept] - joints_cam[kept, :1]
        target, to_canonical = canonicalise_camera_pose(target_cam)
        joints, rotations = joints[kept], rotations[kept]
        points = points[kept]
        features = encoded.features

        def mean(difference: Tensor) -> Tensor:
            return (difference.abs().flatten(1).mean(-1) * share).sum()

        terms = {
            "canonical": mean(joints - target),
            "joints_cam": mean(joints @ rotations.mT - target_cam),
            "reading": mean(encoded.reading[kept] - target_cam),
            "orientation": mean(rotations - to_canonical.mT),
            "heat": mean(features.heat_points[kept] - points) * 2 / 3
            + mean(features.heat_depths[kept] - target_cam[..., 2]) / 3,
            "heat_maps": heat_map_cross_entropy(features.heat_logits[kept], points, share=share),
        }
        return {
            f"loss_{name}": self.weights[name] * value
            for name, value in terms.items()
            if self.weights[name] > 0
        }
