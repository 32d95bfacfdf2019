"""Losses between poses, cameras and their readings.

Symbols: B batch, K = 17 joints.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.models.pose_encoder import PoseEncoding
from part_synth.models.view import CropCamera
from part_synth.registry import MODELS


def heat_map_cross_entropy(
    logits: Tensor, points: Tensor, sigma: float = 0.8, share: Tensor | None = None
) -> Tensor:
    """Cross-entropy between heat maps and Gaussians at the true places.

    The expectation alone teaches a heat map slowly: at first every cell gets the same small
    gradient. Places outside the map are moved to its edge.

    Args:
        logits: (B, K, h, w) heat maps before the softmax.
        points: (B, K, 2) true places, crop coordinates [-1, 1].
        sigma: Width of the Gaussian, cells.
        share: (B,) how much each map counts, 1 in sum; None = all alike.

    Returns:
        Scalar; its least value is the mean entropy of the Gaussians.
    """
    height, width = logits.shape[-2:]

    def profile(count: int, place: Tensor) -> Tensor:
        cells = torch.arange(count, device=logits.device, dtype=logits.dtype)
        place = ((place + 1) * (count / 2) - 0.5).clamp(0, count - 1)
        return (-0.5 * ((cells - place[..., None]) / sigma) ** 2).softmax(-1)

    target = (
        profile(height, points[..., 1])[..., :, None] * profile(width, points[..., 0])[..., None, :]
    )
    each = -(target.flatten(2) * logits.flatten(2).log_softmax(-1)).sum(-1).mean(-1)
    return each.mean() if share is None else (each * share).sum()


@MODELS.register_module()
class PoseReadingLoss(BaseModule):
    """Compare an encoding with a known pose.

    Every term is a mean absolute difference; its weight has the name of what it compares.

    Args:
        joints_body: Weight on body-frame joints, per metre.
        joints_cam: Weight on root-relative camera-frame joints, per metre.
        points: Weight on projected joints, crop coordinates.
        azimuth: Weight on 1 - cos of the azimuth's error.
        elevation: Weight on the elevation, per radian.
        heat: Weight on the heat-map reading of places and depths.
        heat_maps: Weight on the cross-entropy of the heat maps.
        depths: Compare the heat maps' depths too; False where only 2D labels are known.
    """

    def __init__(
        self,
        joints_body: float = 10.0,
        joints_cam: float = 1.0,
        points: float = 10.0,
        azimuth: float = 1.0,
        elevation: float = 5.0,
        heat: float = 6.0,
        heat_maps: float = 4.0,
        depths: bool = True,
    ) -> None:
        super().__init__()
        self.depths = depths
        self.weights = {
            "joints_body": joints_body,
            "joints_cam": joints_cam,
            "points": points,
            "azimuth": azimuth,
            "elevation": elevation,
            "heat": heat,
            "heat_maps": heat_maps,
        }

    def forward(
        self,
        encoding: PoseEncoding,
        decoded: dict[str, Tensor],
        joints_cam: Tensor,
        points: Tensor,
        joints_body: Tensor | None = None,
        camera: CropCamera | None = None,
    ) -> dict[str, Tensor]:
        """Losses by name, weighted.

        Args:
            encoding: The encoder's reading.
            decoded: ``joints_body`` and ``joints_cam`` (B, K, 3) metres and ``points``
                (B, K, 2) crop coordinates, decoded from it.
            joints_cam: (B, K, 3) true root-relative camera-frame joints, metres.
            points: (B, K, 2) true places in the crop.
            joints_body: (B, K, 3) true body-frame joints, where they are known.
            camera: The true camera, where it is known.
        """
        terms = {
            "joints_cam": (decoded["joints_cam"] - joints_cam).abs().mean(),
            "points": (decoded["points"] - points).abs().mean(),
            "heat": (encoding.heat_points - points).abs().mean() * 2 / 3,
            "heat_maps": heat_map_cross_entropy(encoding.heat_logits, points),
        }
        if self.depths:
            depth_error = (encoding.heat_depths - joints_cam[..., 2]).abs().mean()
            terms["heat"] = terms["heat"] + depth_error / 3
        if joints_body is not None:
            terms["joints_body"] = (decoded["joints_body"] - joints_body).abs().mean()
        if camera is not None:
            direction = torch.stack([camera.azimuth.sin(), camera.azimuth.cos()], dim=-1)
            view = torch.nn.functional.normalize(encoding.view, dim=-1, eps=1e-3)
            terms["azimuth"] = (1 - (view * direction).sum(-1)).mean()
            terms["elevation"] = (encoding.elevation - camera.elevation).abs().mean()
        return {
            f"loss_{name}": self.weights[name] * value
            for name, value in terms.items()
            if self.weights[name] > 0
        }


@MODELS.register_module()
class ReadingTieLoss(BaseModule):
    """Tie the heat-map reading and the decoded pose to each other, both ways.

    Args:
        loss_weight: Weight of the term.
    """

    def __init__(self, loss_weight: float = 6.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, encoding: PoseEncoding, points: Tensor, depths: Tensor) -> Tensor:
        """Mean absolute difference of places (B, K, 2) and depths (B, K)."""
        places = (encoding.heat_points - points).abs().mean()
        depth = (encoding.heat_depths - depths).abs().mean()
        return self.loss_weight * (2 * places + depth) / 3
