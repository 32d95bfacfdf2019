import math

import pytest
import roma
import torch
from part_synth.geometry import (
    body_yaw,
    canonicalise_camera_pose,
    mirror,
    to_body_frame,
    view_rotation,
    world_to_camera,
)

# World with z up -> body axes at yaw 0: x left, y down, z back.
WORLD_TO_BODY = torch.tensor([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]], dtype=torch.float64)


def rotvec(*vector):
    return roma.rotvec_to_rotmat(torch.tensor(vector, dtype=torch.float64))


def test_body_frame_ignores_heading_and_place_but_keeps_the_lean(poses):
    world = poses @ WORLD_TO_BODY
    expected = to_body_frame(world)[0]
    torch.testing.assert_close(expected, poses)
    for angle in (-3.0, -1.0, 0.4, 2.5):
        moved = world @ rotvec(0.0, 0.0, angle).T + torch.tensor([3.0, -2.0, 1.0])
        body, rotation = to_body_frame(moved)
        torch.testing.assert_close(body, expected)
        torch.testing.assert_close((moved - moved[:, :1]) @ rotation.mT, body)
        torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(20, dtype=torch.float64))
    lean = rotvec(0.7, 0.0, 0.0)
    assert (to_body_frame(world @ lean.T)[0] - expected).abs().max() > 0.1


def test_yaw_is_the_turn_that_was_made(poses):
    world = poses @ WORLD_TO_BODY
    angles = torch.linspace(-3.1, 3.1, 20, dtype=torch.float64)
    turns = roma.rotvec_to_rotmat(angles[:, None] * torch.tensor([0.0, 0.0, 1.0]).double())
    torch.testing.assert_close(body_yaw(world @ turns.mT), angles)
    seen = poses @ view_rotation(angles, torch.zeros_like(angles)).mT
    torch.testing.assert_close(body_yaw(seen, vertical="y_down"), angles)


def test_camera_pose_without_gravity_forgets_every_rotation(poses):
    first, rotation = canonicalise_camera_pose(poses)
    turned = poses @ roma.random_rotmat(20, dtype=torch.float64).mT + 1.0
    second, _ = canonicalise_camera_pose(turned)
    torch.testing.assert_close(second, first)
    torch.testing.assert_close(poses @ rotation.mT, first)
    hips = first[:, 4] - first[:, 1]
    torch.testing.assert_close(hips[:, 1:], torch.zeros_like(hips[:, 1:]))
    torch.testing.assert_close(first[:, 8, 2], torch.zeros(20, dtype=torch.float64))
    assert (first[:, 8, 1] < 0).all()


def test_canonical_pose_is_the_same_for_all_cameras_and_worlds(poses):
    world = poses @ WORLD_TO_BODY
    expected, to_canonical = canonicalise_camera_pose(world)
    for seed in range(5):
        torch.manual_seed(seed)
        turn, camera = roma.random_rotmat(2, dtype=torch.float64)
        shift, place = torch.randn(2, 3, dtype=torch.float64)
        # The world turned and moved, and then seen by a camera anywhere.
        seen = world_to_camera(world @ turn.T + shift, camera, place)
        canonical, rotation = canonicalise_camera_pose(seen)
        torch.testing.assert_close(canonical, expected)
        # What the view changes is in the rotation alone.
        torch.testing.assert_close(rotation @ camera.T @ turn, to_canonical)


def test_yaw_of_a_vertical_hip_line_is_zero_by_convention():
    joints = torch.zeros(17, 3)
    joints[4, 2], joints[1, 2] = 0.1, -0.1
    assert body_yaw(joints).item() == 0.0
    assert math.isclose(torch.linalg.det(to_body_frame(joints)[1]).item(), 1.0)


def test_mirror_exchanges_the_sides(poses):
    assert torch.equal(mirror(mirror(poses)), poses)
    flipped = poses[0, 1] * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.equal(mirror(poses)[0, 4], flipped)


def test_gradients(poses):
    pose = poses[:2].clone().requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda x: body_yaw(x @ WORLD_TO_BODY), (pose,))
    assert check(lambda x: to_body_frame(x)[0], (pose,))
    assert check(lambda x: canonicalise_camera_pose(x)[0], (pose,))
    assert check(mirror, (pose,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mirror(x[:, :16]), r"got \(20, 16, 3\)"),
        (lambda x: canonicalise_camera_pose(x[:, :16]), r"got \(20, 16, 3\)"),
        (lambda x: to_body_frame(x[:, :3]), r"hips are joints 1 and 4.*got shape \(20, 3, 3\)"),
        (lambda x: body_yaw(x, vertical="up"), "vertical must be one of"),
    ],
)
def test_wrong_arguments_are_named(poses, call, message):
    with pytest.raises(ValueError, match=message):
        call(poses)
