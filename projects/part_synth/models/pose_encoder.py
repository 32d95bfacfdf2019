"""The pose encoder: image crop -> pose code, restricted camera, heat-map reading of the joints.

A code and a camera (pose and camera branches as in arXiv 2006.14107) say what the pose is within
the prior. Beside them heat maps read every joint's place and depth (this project's choice, see
:mod:`part_synth.models.joint_features`); a loss ties both readings together.

Symbols: B batch, K = 17 joints, D size of the pose code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from part_synth.registry import MODELS

from .joint_features import JointFeatureEncoder
from .view import CropCamera


@dataclass
class PoseEncoding:
    """What the encoder reads off a crop.

    Attributes:
        code: (B, D) pose code in (-1, 1).
        view: (B, 2) sine and cosine of the azimuth, not normalised.
        elevation: (B,) radians.
        roll: (B,) radians.
        scale: (B,) crop half-widths per metre.
        offset: (B, 2) pelvis in crop coordinates.
        heat_points: (B, K, 2) joints read from the heat maps, crop coordinates.
        heat_depths: (B, K) their depths behind the pelvis, metres.
        heat_logits: (B, K, h, w) the heat maps before the softmax.
        part_logits: (B, P + 1, H / 2, W / 2) parts read off the picture, background first; None
            without a part head.
    """

    code: Tensor
    view: Tensor
    elevation: Tensor
    roll: Tensor
    scale: Tensor
    offset: Tensor
    heat_points: Tensor
    heat_depths: Tensor
    heat_logits: Tensor
    part_logits: Tensor | None = None

    def camera(self, distance: float) -> CropCamera:
        """The restricted camera, at a fixed distance in metres."""
        azimuth = torch.atan2(self.view[:, 0], self.view[:, 1])
        return CropCamera(azimuth, self.elevation, self.roll, self.scale, self.offset, distance)


@MODELS.register_module()
class PoseEncoder(JointFeatureEncoder):
    """Pose and camera of the person in a crop.

    Args:
        code_size: D.
        mean_scale: Scale, in half-widths per metre, that the network starts from.
        max_elevation: Bound of the elevation, radians.
        max_roll: Bound of the roll, radians.
        **kwargs: Backbone and trunk, see :class:`~part_synth.models.joint_features.
            JointFeatureEncoder`.
    """

    def __init__(
        self,
        backbone: dict,
        code_size: int = 32,
        mean_scale: float = 0.8,
        max_elevation: float = math.radians(50),
        max_roll: float = math.radians(15),
        **kwargs,
    ) -> None:
        super().__init__(backbone, **kwargs)
        self.code_size = code_size
        self.mean_scale = mean_scale
        self.max_elevation = max_elevation
        self.max_roll = max_roll
        self.code_head = nn.Linear(self.hidden_size, code_size)
        self.camera_head = nn.Linear(self.hidden_size, 7)

    def init_weights(self) -> None:
        """Initialise; the camera starts frontal, level and centred."""
        super().init_weights()
        nn.init.normal_(self.camera_head.weight, std=0.01)
        nn.init.zeros_(self.camera_head.bias)

    def forward(self, images: Tensor, backgrounds: Tensor | None = None) -> PoseEncoding:
        """Encode crops.

        Args:
            images: (B, 3, H, W) RGB crops in [-1, 1].
            backgrounds: (B, 3, H, W) the same crops of the empty scene, where it is known; unused
                without ``use_background``.

        Returns:
            The encoding, in float32.
        """
        features = self.read(images, backgrounds)
        hidden = features.hidden
        code = torch.tanh(self.code_head(hidden).float())
        camera = self.camera_head(hidden).float()
        return PoseEncoding(
            code=code,
            view=camera[:, 0:2] + camera.new_tensor([0.0, 0.1]),
            elevation=self.max_elevation * torch.tanh(camera[:, 2]),
            roll=self.max_roll * torch.tanh(camera[:, 3]),
            scale=self.mean_scale * torch.exp(torch.tanh(camera[:, 4])),
            offset=camera[:, 5:7],
            heat_points=features.heat_points,
            heat_depths=features.heat_depths,
            heat_logits=features.heat_logits,
            part_logits=features.part_logits,
        )
