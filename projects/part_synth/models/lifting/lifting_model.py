"""The model that lifts: a lifter, and the objective that trains it.

Symbols: B clips, T frames of a clip, K joints.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from part_synth.geometry import (
    ROOT_DISTANCE,
    bones_total,
    lift_points,
    mirror,
    mirror_points,
    unit_scale,
)
from part_synth.registry import MODELS

# All 16 bones of an adult 1.7 m tall add up to this, metres: size is not in 2D joints.
ADULT_BONES_TOTAL = 3.9


@MODELS.register_module()
class LiftingModel(BaseModel):
    """3D joints from 2D joints.

    Args:
        lifter: Config of the network, ``part_synth.FrameLifter`` or ``part_synth.ClipLifter``.
        objective: Config of what trains it; None for a model that only lifts.
        infill: Config of what fills missing joints for :func:`part_synth.apis.lift`; fitted to the
            2D poses of the training set by ``part_synth.LiftingPriorsHook``.
        distance: c, distance of the root in the lifting frame, in head-root distances.
        flip_test: Average the poses lifted from the 2D pose and from its mirror image.
        bones_total: Size of the predicted people: length of all bones together, metres.
    """

    def __init__(
        self,
        lifter: dict,
        objective: dict | None = None,
        infill: dict | None = None,
        distance: float = ROOT_DISTANCE,
        flip_test: bool = True,
        bones_total: float = ADULT_BONES_TOTAL,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.lifter = MODELS.build(lifter)
        self.objective = None if objective is None else MODELS.build(objective)
        self.infill = MODELS.build(infill or {"type": "part_synth.KeypointInfill"})
        self.distance = distance
        self.flip_test = flip_test
        self.bones_total = bones_total

    def lift(self, points: Tensor) -> Tensor:
        """Lift clips.

        Args:
            points: (B, T, K, 2) joints in the image of the lifting frame.

        Returns:
            (B, T, K, 3) joints, lifting frame: root at (0, 0, c).
        """
        return lift_points(points, self.lifter(points), self.distance)

    def poses(self, points: Tensor) -> Tensor:
        """Lift the middle frames of clips, as at test time.

        Args:
            points: (B, num_frames, K, 2) joints of a camera that looks at the root, any size; the
                lifter says how many frames.

        Returns:
            (B, K, 3) joints, root at the origin, aimed camera frame, metres for a person whose
            bones add up to ``bones_total``.

        Raises:
            ValueError: The number of frames is another one.
        """
        frames = self.lifter.num_frames
        if points.ndim != 4 or points.shape[1] != frames:
            raise ValueError(
                f"This lifter takes clips of {frames} frames (B, {frames}, K, 2), got "
                f"{tuple(points.shape)}; set num_frames={frames} of the validation and test sets."
            )
        points = points * unit_scale(points)
        joints = self._middle(points)
        if self.flip_test:
            joints = (joints + mirror(self._middle(mirror_points(points)))) / 2
        return joints * (self.bones_total / bones_total(joints).clamp_min(1e-6))[..., None, None]

    def _middle(self, points: Tensor) -> Tensor:
        """(B, K, 3) middle frames of (B, num_frames, K, 2) clips lifted, root at the origin."""
        middle = points[:, (points.shape[1] - 1) // 2]
        joints = lift_points(middle, self.lifter.middle(points), self.distance)
        return joints - joints[..., :1, :]

    def forward(self, inputs, data_samples: list | None = None, mode: str = "tensor"):
        """Run the model.

        Args:
            inputs: ``points`` (B, T, K, 2), and what :class:`~part_synth.datasets.
                KeypointClipDataset` adds for the objective.
            data_samples: B samples to fill in; mode 'predict' only.
            mode: 'tensor' gives poses (B, K, 3), see :meth:`poses`; 'loss' the objective's
                losses; 'predict' the samples with ``pred_instances.keypoints`` (1, K, 3) of the
                middle frame, root at the origin, camera frame, metres.
        """
        if mode == "loss":
            if self.objective is None:
                raise ValueError("This model has no objective and cannot be trained; set one.")
            frames, wanted = inputs["points"].shape[1], self.lifter.num_frames
            if frames < wanted:
                raise ValueError(
                    f"This lifter reads {wanted} frames, but the training clips have {frames}: it "
                    f"would learn from repeated frames. Set num_frames={wanted} or more of the "
                    "training data set, or a smaller reach of the lifter."
                )
            return self.objective.loss(self, inputs)
        if mode == "tensor":
            return self.poses(inputs["points"])
        if mode == "predict":
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode is 'tensor', 'loss' or 'predict', got {mode!r}")

    @torch.no_grad()
    def predict(self, inputs: dict[str, Tensor], data_samples: list | None) -> list:
        """Fill in samples; see :meth:`forward`."""
        if data_samples is None:
            raise ValueError("mode='predict' needs the data_samples to fill in, got None")
        poses = self.poses(inputs["points"])
        if "rotation" in inputs:
            poses = poses @ inputs["rotation"]
        poses = poses.float().cpu().numpy()
        for i, sample in enumerate(data_samples):
            sample.pred_instances = InstanceData(
                keypoints=poses[i : i + 1], keypoint_scores=poses[i : i + 1, :, 0] * 0 + 1
            )
        return data_samples
