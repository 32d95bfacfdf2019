import math

import pytest
import torch
from part_synth.geometry import canonicalise_camera_pose
from part_synth.models import PoseDistanceLoss
from part_synth.registry import MODELS


def frames(count=6, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.nn.functional.normalize(torch.randn(count, size, generator=generator), dim=-1)
    return embedding, 0.3 * torch.randn(count, 17, 3, generator=generator)


def slow(loss, embedding, joints, weight):
    poses = canonicalise_camera_pose(joints)[0].tolist()
    total = share = 0.0
    for i, a in enumerate(poses):
        for j, b in enumerate(poses):
            if i == j or not weight[i] or not weight[j]:
                continue
            apart = sum(math.dist(x, y) for x, y in zip(a, b, strict=True)) / len(a)
            wanted = min(apart / loss.scale, loss.furthest)
            squared = math.dist(embedding[i].tolist(), embedding[j].tolist()) ** 2
            pair = float(weight[i] * weight[j])
            total += pair * abs(math.sqrt(squared + 1e-4) - wanted)
            share += pair
    return loss.loss_weight * total / share


@pytest.mark.parametrize("loss", [PoseDistanceLoss(), PoseDistanceLoss(0.5, 0.7, loss_weight=2.0)])
def test_against_loops(loss):
    embedding, joints = frames()
    weight = torch.tensor([1.0, 0.3, 0.0, 1.0, 0.3, 1.0])
    expected = slow(loss, embedding, joints, weight)
    # What has no label is never looked at.
    joints[2] = torch.nan
    assert float(loss(embedding, joints, weight)) == pytest.approx(expected, rel=1e-5)


def test_views_of_a_pose_are_wanted_at_one_place():
    _, joints = frames(count=1)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))
    turn = turn * torch.linalg.det(turn)
    two = torch.cat([joints, joints @ turn.mT])
    embedding = torch.eye(8)[:1].repeat(2, 1).requires_grad_()
    value = PoseDistanceLoss()(embedding, two, torch.ones(2))
    assert float(value.detach()) == pytest.approx(0.01, abs=1e-3)
    value.backward()
    assert embedding.grad.isfinite().all()


def test_without_labels_it_is_zero_and_connected():
    embedding, joints = frames()
    embedding.requires_grad_()
    value = PoseDistanceLoss()(embedding, joints * torch.nan, torch.zeros(6))
    value.backward()
    assert float(value.detach()) == 0
    assert (embedding.grad == 0).all()


def test_bad_arguments():
    for arguments in ({"scale": 0.0}, {"furthest": 3.0}):
        with pytest.raises(ValueError, match="scale"):
            MODELS.build(dict(type="part_synth.PoseDistanceLoss", **arguments))
