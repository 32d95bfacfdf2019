"""From a picture to a view-invariant embedding, and from there to a pose and its orientation.

Symbols: B batch, D size of the embedding, C width of the trunk's features, K = 17 joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.geometry import (
    REST_DIRECTIONS,
    canonicalise_camera_pose,
    forward_kinematics,
)
from part_synth.models.joint_features import JointFeatureEncoder, JointFeatures
from part_synth.registry import MODELS

# Lengths of an adult's bones in the order of the joints they end at, metres (means of Human3.6M,
# rounded). Only a place to start from.
_ADULT_BONES = (0.13, 0.45, 0.45, 0.13, 0.45, 0.45, 0.24, 0.26, 0.12, 0.12)
_ADULT_BONES += (0.15, 0.28, 0.25, 0.15, 0.28, 0.25)
# Half the side of a crop, metres, that the reading of the joints starts from.
_HALF_SIDE = 1.25


@dataclass
class PoseEmbedding:
    """What the encoder makes of crops.

    Attributes:
        embedding: (B, D) unit vectors; the same for all views of a pose.
        features: What the trunk read; it still knows the view.
        reading: (B, K, 3) joints read from the heat maps, camera frame, root at the origin, metres.
        canonical: (B, K, 3) the same, turned to face one way.
        rotation: (B, 3, 3) from the canonical to the camera frame, as read.
    """

    embedding: Tensor
    features: JointFeatures
    reading: Tensor
    canonical: Tensor
    rotation: Tensor


@MODELS.register_module()
class EmbeddingEncoder(JointFeatureEncoder):
    """A view-invariant embedding of the person in a crop.

    In Mitra et al. (arXiv 1908.05293) the embedding is made of pooled features. Here it also sees
    the joints that the heat maps read, turned to face one way: a pose that hardly depends on the
    view, which the network then need not learn to turn. On few labels this halves the steps to a
    given error.

    Args:
        backbone: Config of a backbone that returns a tuple of feature maps. None = ResNet-18 of
            torchvision, as in the paper.
        embedding_size: D.
        **kwargs: Trunk, see :class:`~part_synth.models.joint_features.JointFeatureEncoder`.
    """

    def __init__(self, backbone: dict | None = None, embedding_size: int = 128, **kwargs) -> None:
        if backbone is None:
            stages = {"out_indices": (1, 2, 3)}
            backbone = {"type": "part_synth.TorchvisionResNet", "depth": 18, **stages}
        super().__init__(backbone, **kwargs)
        self.embedding_size = embedding_size
        width = self.hidden_size // 2
        self.size_head = nn.Linear(self.hidden_size, 1)
        self.canonical_head = nn.Sequential(
            nn.Linear(3 * self.joints_head.num_joints, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
        )
        self.embedding_head = nn.Sequential(
            nn.Linear(self.hidden_size + width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, embedding_size),
        )

    def init_weights(self) -> None:
        """Initialise; all crops start with the same side."""
        super().init_weights()
        nn.init.zeros_(self.size_head.weight)
        nn.init.zeros_(self.size_head.bias)

    def forward(self, images: Tensor, backgrounds: Tensor | None = None) -> PoseEmbedding:
        """Encode (B, 3, H, W) crops in [-1, 1], with the empty scene where it is known."""
        features = self.read(images, backgrounds)
        # Half precision rounds joints to 4 mm, and unit vectors to what tells near poses apart.
        with torch.autocast(images.device.type, enabled=False):
            hidden = features.hidden.float()
            half_side = _HALF_SIDE * self.size_head(hidden).exp()
            places = features.heat_points * half_side[..., None]
            reading = torch.cat([places, features.heat_depths[..., None]], dim=-1)
            reading = reading - reading[:, :1]
            canonical, rotation = canonicalise_camera_pose(reading)
            # Joints within a metre of the root: a spread near 1 for the linear layer.
            turned = self.canonical_head(3 * canonical.flatten(1))
            embedding = self.embedding_head(torch.cat([hidden, turned], dim=-1))
            embedding = F.normalize(embedding, dim=-1, eps=1e-6)
        return PoseEmbedding(embedding, features, reading, canonical, rotation.mT)


@MODELS.register_module()
class CanonicalPoseHead(BaseModule):
    """The pose from the embedding alone, its orientation from what knows the view.

    The pose faces one way (:func:`part_synth.geometry.canonicalise_camera_pose`), so it is the same
    for all views, as the embedding is; what a view changes is the orientation, which an embedding
    that ignores the view can't tell. It is the orientation of the joints as read, corrected.

    Args:
        embedding_size: D.
        features_size: C.
        hidden: Width of the hidden layers.
        num_joints: K.
    """

    def __init__(
        self,
        embedding_size: int = 128,
        features_size: int = 512,
        hidden: int = 256,
        num_joints: int = 17,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_joints = num_joints
        self.embedding_size = embedding_size
        self.pose = nn.Sequential(
            nn.Linear(embedding_size, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, 3 * num_joints),
        )
        self.orientation = nn.Sequential(
            nn.Linear(features_size + 9, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 6)
        )

    def init_weights(self) -> None:
        """Initialise; every pose starts from the rest pose of an adult."""
        super().init_weights()
        last = self.pose[-1]
        nn.init.normal_(last.weight, std=0.01)
        with torch.no_grad():
            last.bias.copy_(_adult_at_rest().flatten())

    def forward(self, encoded: PoseEmbedding) -> tuple[Tensor, Tensor]:
        """Read pose and orientation.

        Returns:
            Canonical joints (B, K, 3), root at the origin, metres, and the rotation (B, 3, 3) from
            the canonical to the camera frame, both float32.
        """
        # The entries of a unit vector are small; a linear layer expects numbers near 1.
        embedding = encoded.embedding * encoded.embedding.shape[-1] ** 0.5
        joints = self.pose(embedding).float().unflatten(-1, (self.num_joints, 3))
        hidden = encoded.features.hidden
        known = torch.cat([hidden, encoded.rotation.flatten(1).to(hidden.dtype)], dim=-1)
        change = self.orientation(known).float().unflatten(-1, (3, 2))
        # Two columns of a rotation, orthonormalised (Zhou et al., CVPR 2019).
        rotations = roma.special_gramschmidt(encoded.rotation[..., :2] + change)
        return joints - joints[:, :1], rotations


def _adult_at_rest() -> Tensor:
    """(17, 3) rest pose, canonical frame, metres."""
    joints = forward_kinematics(REST_DIRECTIONS, torch.tensor(_ADULT_BONES, dtype=torch.float64))
    return canonicalise_camera_pose(joints)[0].float()
