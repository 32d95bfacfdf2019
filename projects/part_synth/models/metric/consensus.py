"""What several views of a moving person agree on, without calibration.

A person has one pose at an instant, whatever the view; and cameras that stand still see a turning
person turn alike. Predictions of single views, averaged in that sense, are better than each of
them: they serve as targets where there are no labels.

Symbols: N instants, V views of each, K joints.
"""

from __future__ import annotations

import roma
import torch
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.geometry import canonicalise_camera_pose, full_precision
from part_synth.registry import MODELS

_ALIGNMENTS = 3
# Views that agree on little tell little: no pose is moved beyond this.
_MOST_STRETCH = 1.5


def consensus_rotations(rotations: Tensor, cameras: Tensor, rounds: int = 2) -> Tensor:
    """Orientations that agree with cameras which stand still.

    Of one person, seen by cameras that do not move, the orientation in camera c at instant i is
    ``Q_c W_i``: the camera's rotation times the body's. Both are fitted to the N V noisy
    orientations by taking turns, each a mean projected onto the rotations; the product is the
    orientation that all views and instants agree on. No calibration is needed, and the answer does
    not depend on the world frame that the fit happens to choose.

    Args:
        rotations: (N, V, 3, 3), canonical to camera frame.
        cameras: (N, V) numbers of the cameras, below C.
        rounds: Turns.

    Returns:
        (N, V, 3, 3), without gradient.
    """
    rotations = rotations.detach().double()
    count = int(cameras.max()) + 1
    place = cameras.flatten()
    reference, steps = _linked_cameras(cameras, count)
    # One camera of those that are linked gives the frame; zeros stand for what is not known yet.
    camera = torch.eye(3, dtype=rotations.dtype, device=rotations.device).repeat(count, 1, 1)
    camera = camera * (reference == torch.arange(count, device=place.device))[:, None, None]

    def turn_bodies(camera: Tensor) -> Tensor:
        return _nearest_rotations((camera[cameras].mT @ rotations).sum(1))

    for _ in range(max(steps - 1, 0) + rounds):
        seen = (rotations @ turn_bodies(camera).mT[:, None]).flatten(0, 1)
        sums = torch.zeros_like(camera).index_add_(0, place, seen)
        camera = _nearest_rotations(sums)
    return (camera[cameras] @ turn_bodies(camera)[:, None]).float()


def _linked_cameras(cameras: Tensor, count: int) -> tuple[Tensor, int]:
    """Which cameras are linked by instants that both see.

    Args:
        cameras: (N, V) numbers below ``count``.
        count: C.

    Returns:
        (C,) the least number among the cameras linked to each one, and the number of instants that
        the longest chain takes from there.
    """
    label, steps = torch.arange(count, device=cameras.device), 0
    while True:
        least = label[cameras].amin(1, keepdim=True).expand_as(cameras).flatten()
        spread = label.scatter_reduce(0, cameras.flatten(), least, "amin")
        if torch.equal(spread, label):
            return label, steps
        label, steps = spread, steps + 1


def _nearest_rotations(sums: Tensor) -> Tensor:
    """Project (*, 3, 3) onto the rotations; zeros stay zeros."""
    return roma.special_procrustes(sums) * (sums != 0).any(-1).any(-1)[..., None, None]


def mirror_rotations(rotations: Tensor, flipped: Tensor) -> Tensor:
    """Orientations as of pictures that were not mirrored.

    A mirrored picture shows the mirrored pose in the orientation ``M R M``, M negating x.

    Args:
        rotations: (N, V, 3, 3).
        flipped: (N,) bool.

    Returns:
        (N, V, 3, 3).
    """
    sign = rotations.new_tensor([-1.0, 1.0, 1.0])
    return torch.where(flipped[:, None, None, None], sign[:, None] * rotations * sign, rotations)


@full_precision
def consensus_joints(reading: Tensor, rotations: Tensor, depth_weight: float = 0.2) -> Tensor:
    """The pose that several views agree on, each trusted across its line of sight.

    A single picture tells where joints are in the image far better than how deep they lie; what one
    view can't see in depth, another sees from the side. Per joint the weighted least squares

        Y = argmin sum_v | W^(1/2) (R_v Y - X_v) |^2,  W = diag(1, 1, depth_weight)

    over the views' readings X_v, which are triangulated in that sense without calibration. The
    readings are centred on their joints' mean first: a single joint, such as the root, would hand
    on its own error to all others.

    Args:
        reading: (N, V, K, 3) joints as every view reads them, camera frames, metres.
        rotations: (N, V, 3, 3) from the common frame of an instant to the camera frames, such as
            :func:`consensus_rotations` gives them.
        depth_weight: Weight of the depth beside that of the places, above 0.

    Returns:
        (N, K, 3) in the common frame of each instant, root at the origin, without gradient.
    """
    reading, rotations = reading.detach().float(), rotations.detach().float()
    weights = reading.new_tensor([1.0, 1.0, depth_weight])
    centred = reading - reading.mean(-2, keepdim=True)
    # Rows are points: x @ R is R^T x.
    pulled = ((weights * centred) @ rotations).sum(1)
    normal = (rotations.mT @ (weights[:, None] * rotations)).sum(1)
    joints = torch.linalg.solve(normal, pulled.mT).mT
    return joints - joints[:, :1]


@full_precision
def agreed_poses(joints: Tensor, cameras: Tensor, rounds: int = 10) -> Tensor:
    """What all views of each instant make of its pose, each camera seeing it as it stands.

    The pose is the mean of the views' poses, turned onto each other, then moved away from the mean
    of all instants; the orientations are :func:`consensus_rotations` of those that the views see
    it in. Where a model of single pictures keeps its poses human, as a prior does, the mean is
    better than triangulation of its readings.

    Why away from the mean: a reading x_v is about the mean of the poses y that its picture allows,
    so cov(x_v, y) = var(x_v). Of the mean m of the views cov(m, y) is the same and var(m) smaller,
    hence the best linear guess of y is m stretched by var(x_v) / var(m), which needs no label.

    Args:
        joints: (N, V, 17, 3) camera frames, root at the origin, metres.
        cameras: (N, V) numbers of the cameras, below C.
        rounds: Turns of the fit of the orientations.

    Returns:
        (N, V, 17, 3) camera frames, root at the origin, without gradient.
    """
    joints, turned = _turned_together(joints)
    pose = turned.mean(1, keepdim=True)
    middle = pose.mean(0)
    stretch = (turned - middle).square().mean() / (pose - middle).square().mean().clamp_min(1e-9)
    pose = middle + stretch.clamp(1.0, _MOST_STRETCH) * (pose - middle)
    common = consensus_rotations(_rotations_onto(pose, joints), cameras, rounds)
    return pose @ common.mT


@full_precision
def view_disagreement(joints: Tensor) -> Tensor:
    """How far the views of each instant are from having read one pose.

    Where views of single pictures agree they are right more often than elsewhere: what is hidden in
    one view is seen in another, and they err differently.

    Args:
        joints: (N, V, K, 3) camera frames, root at the origin, metres.

    Returns:
        (N,) mean distance of the views' joints from their mean, poses turned onto each other,
        metres, without gradient; 0 where V = 1.
    """
    _, turned = _turned_together(joints)
    return (turned - turned.mean(1, keepdim=True)).norm(dim=-1).mean((1, 2))


def _turned_together(joints: Tensor) -> tuple[Tensor, Tensor]:
    """(N, V, K, 3) joints with the root at the origin, and turned onto the mean of their views."""
    joints = joints.detach().float()
    joints = joints - joints[..., :1, :]
    pose = canonicalise_camera_pose(joints)[0].mean(1, keepdim=True)
    # The axes of single poses are noisy: turn the poses themselves onto their mean.
    for _ in range(_ALIGNMENTS):
        turned = joints @ _rotations_onto(pose, joints)
        pose = turned.mean(1, keepdim=True)
    return joints, turned


def _rotations_onto(pose: Tensor, joints: Tensor) -> Tensor:
    """(N, V, 3, 3) rotations that bring (N, 1, K, 3) poses nearest to (N, V, K, 3) joints."""
    pose = pose - pose.mean(-2, keepdim=True)
    joints = joints - joints.mean(-2, keepdim=True)
    return roma.special_procrustes(joints.mT @ pose)


@MODELS.register_module()
class ViewConsensusLoss(BaseModule):
    """Pull every view's prediction to what all views of the instant agree on.

    This project's addition to the metric loss, related to the multi-view consistency of Rhodin et
    al. (CVPR 2018): orientations that agree with cameras which stand still, joints triangulated
    with them from all views' readings. Targets carry no gradient, so the mean pose is no shortcut,
    and the frames with labels keep the scale. Targets of a network that knows nothing are worth
    nothing: the loss is silent for ``start`` training steps, and reaches its weight after as many
    again.

    Args:
        joints: Weight on canonical joints, per metre.
        reading: Weight on the joints as the heat maps read them, camera frame, per metre.
        orientation: Weight on the entries of the rotations.
        depth_weight: See :func:`consensus_joints`.
        start: Training steps.
    """

    def __init__(
        self,
        joints: float = 5.0,
        reading: float = 3.0,
        orientation: float = 1.0,
        depth_weight: float = 0.2,
        start: int = 500,
    ) -> None:
        super().__init__()
        if depth_weight <= 0:
            raise ValueError(f"`depth_weight` must be above 0, got {depth_weight}.")
        self.weights = {"joints": joints, "reading": reading, "orientation": orientation}
        self.depth_weight = depth_weight
        self.start = start
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @full_precision
    def forward(
        self,
        joints: Tensor,
        reading: Tensor,
        rotations: Tensor,
        cameras: Tensor,
        people: Tensor,
        flipped: Tensor,
        kept: Tensor,
    ) -> dict[str, Tensor]:
        """Losses by name.

        Args:
            joints: (N, V, K, 3) canonical joints, metres, from the embedding.
            reading: (N, V, K, 3) joints from the heat maps, camera frame, root at the origin,
                metres.
            rotations: (N, V, 3, 3) from the canonical to the camera frame.
            cameras: (N, V) numbers of the cameras, below C.
            people: (N,) numbers of what the cameras stand still for, people or clips; cameras of
                different numbers have nothing to do with each other.
            flipped: (N,) bool, instants whose pictures were mirrored.
            kept: (N,) bool, instants that take part.
        """
        if self.training:
            self.steps += 1
        ramp = min(max(float(self.steps) / self.start - 1, 0.0), 1.0) if self.start else 1.0
        if ramp == 0 or not kept.any():
            return {}
        # One fit for all: the same camera of two people counts as two.
        numbers = people[:, None] * (cameras.max() + 1) + cameras
        places = torch.unique(numbers, return_inverse=True)[1]
        upright = mirror_rotations(rotations, flipped)
        common = mirror_rotations(consensus_rotations(upright, places), flipped)
        agreed = consensus_joints(reading, common, self.depth_weight)
        canonical, turn = canonicalise_camera_pose(agreed)
        errors = {
            "joints": joints - canonical[:, None],
            "reading": reading - agreed[:, None] @ common.mT,
            "orientation": rotations - common @ turn[:, None].mT,
        }
        return {
            f"loss_consensus_{name}": ramp * self.weights[name] * error[kept].abs().mean()
            for name, error in errors.items()
            if self.weights[name] > 0
        }
