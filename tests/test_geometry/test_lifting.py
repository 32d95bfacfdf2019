import math

import pytest
import torch
from part_synth.geometry import (
    BONES_TOTAL,
    H36M17,
    aim_at,
    aim_points,
    bones_total,
    far_camera,
    flat_points,
    lift_points,
    project,
    turn_about_root,
    unit_scale,
    view_angles,
    view_rotation,
)


@pytest.fixture
def pose(generator):
    """(5, 17, 3) root-relative, about a metre large."""
    joints = torch.randn(5, 17, 3, generator=generator, dtype=torch.float64) * 0.4
    return joints - joints[:, :1]


def test_lifting_undoes_projection(pose):
    joints = pose + pose.new_tensor([0.0, 0.0, 10.0])
    for c in (10.0, 7.0):
        points = flat_points(joints, c)
        torch.testing.assert_close(points, c * joints[..., :2] / joints[..., 2:])
        torch.testing.assert_close(lift_points(points, joints[..., 2] - c, c), joints)


def test_no_joint_comes_nearer_than_one():
    points = torch.tensor([[[0.0, 0.0], [1.0, 2.0]]])
    lifted = lift_points(points, torch.tensor([[0.0, -20.0]]))
    torch.testing.assert_close(lifted[0, 1], torch.tensor([0.1, 0.2, 1.0]))
    behind = flat_points(torch.tensor([[0.5, 0.5, -3.0]]))
    torch.testing.assert_close(behind, torch.tensor([[5.0, 5.0]]))


def test_lifted_offsets_have_the_right_gradient(generator):
    points = torch.randn(2, 17, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    offsets = torch.randn(2, 17, generator=generator, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lift_points, (points, offsets))


def test_turning_about_the_root_keeps_root_and_distances(pose):
    joints = pose + pose.new_tensor([0.3, 0.2, 10.0])
    angle = torch.tensor([0.1, 1.0, 2.0, 3.0, -1.0], dtype=torch.float64)
    rotation = view_rotation(angle, angle * 0.2)
    turned = turn_about_root(joints, rotation)
    torch.testing.assert_close(turned[:, 0], joints[:, 0])
    torch.testing.assert_close(torch.cdist(turned, turned), torch.cdist(joints, joints))
    torch.testing.assert_close(turn_about_root(turned, rotation.mT), joints)
    # One by one, written out.
    one = rotation[3] @ (joints[3, 7] - joints[3, 0]) + joints[3, 0]
    torch.testing.assert_close(turned[3, 7], one)


def test_clips_are_turned_as_one(pose):
    rotation = view_rotation(torch.tensor([1.0], dtype=torch.float64), torch.zeros(1).double())
    clip = turn_about_root(pose[None], rotation)
    single = turn_about_root(pose, rotation.expand(5, 3, 3))
    torch.testing.assert_close(clip[0], single)


def test_bones_total_is_the_sum_over_limbs(pose):
    slow = sum((pose[:, a] - pose[:, b]).norm(dim=-1) for a, b in H36M17.limbs)
    torch.testing.assert_close(bones_total(pose), slow)


def test_unit_scale_is_one_number_for_a_clip(pose):
    clips = pose[None, :, :, :2] * 37.0
    scaled = clips * unit_scale(clips)
    assert scaled.shape == clips.shape
    assert float(bones_total(scaled).mean()) == pytest.approx(BONES_TOTAL)
    # The root is the origin in every frame.
    factors = (scaled / clips)[0, :, 1:]
    torch.testing.assert_close(factors, factors[:1, :1, :1].expand_as(factors))


def test_a_point_has_scale_zero_and_no_nan():
    clip = torch.full((1, 1, 17, 2), 3.0, requires_grad=True)
    scale = unit_scale(clip)
    assert scale.item() == 0.0
    scale.sum().backward()
    assert torch.isfinite(clip.grad).all()


def test_aim_at_brings_the_ray_onto_the_axis_without_rolling(generator):
    ray = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    ray[:, 2] = ray[:, 2].abs() + 0.2
    rotation = aim_at(ray)
    aimed = (rotation @ ray[..., None])[..., 0]
    length = ray.norm(dim=-1)
    expected = torch.stack([length * 0, length * 0, length], dim=-1)
    torch.testing.assert_close(aimed, expected)
    identity = torch.eye(3, dtype=torch.float64).expand(20, 3, 3)
    torch.testing.assert_close(rotation @ rotation.mT, identity)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(20, dtype=torch.float64))
    # A pan and a tilt: no roll.
    roll = view_angles(rotation)[2]
    torch.testing.assert_close(roll, torch.zeros_like(roll), atol=1e-9, rtol=0)


def test_aimed_points_are_what_the_turned_camera_sees(generator):
    joints = torch.randn(6, 17, 3, generator=generator, dtype=torch.float64) * 0.5
    joints += torch.tensor([1.5, -0.4, 5.0], dtype=torch.float64)
    focal = torch.tensor([[1145.0, 1140.0]], dtype=torch.float64).expand(6, 2)
    centre = torch.tensor([[512.0, 500.0]], dtype=torch.float64).expand(6, 2)
    points, rotation = aim_points(project(joints, focal, centre), focal, centre)
    seen = joints @ rotation.mT
    torch.testing.assert_close(points, seen[..., :2] / seen[..., 2:])
    torch.testing.assert_close(points[:, 0], torch.zeros(6, 2, dtype=torch.float64))


def test_the_elevation_of_an_aimed_camera_is_that_of_the_ray():
    # A level camera that sees the root 20 degrees below its axis looks down at it by 20 degrees.
    ray = torch.tensor([0.0, math.tan(math.radians(20)), 1.0], dtype=torch.float64)
    elevation = view_angles(aim_at(ray))[1]
    assert math.degrees(float(elevation)) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lift_points, (torch.zeros(17, 3), torch.zeros(17))),
        (lift_points, (torch.zeros(17, 2), torch.zeros(16))),
        (flat_points, (torch.zeros(17, 2),)),
        (turn_about_root, (torch.zeros(17, 3), torch.zeros(3))),
        (unit_scale, (torch.zeros(17, 2),)),
        (aim_at, (torch.zeros(2),)),
        (aim_points, (torch.zeros(17, 3), torch.ones(2), torch.ones(2))),
    ],
)
def test_wrong_shapes_are_refused(function, arguments):
    with pytest.raises(ValueError, match="must have shape"):
        function(*arguments)


def test_far_camera_looks_straight_at_the_root_from_far_away():
    pixels = torch.rand(2, 5, 17, 2, dtype=torch.float64) * 100
    focal, centre = far_camera(pixels)
    box = (pixels.amax(-2) - pixels.amin(-2)).amax(-1)
    torch.testing.assert_close(focal, 4 * torch.stack([box, box], -1))
    points, rotation = aim_points(pixels, focal, centre)
    torch.testing.assert_close(rotation, torch.eye(3, dtype=torch.float64).expand(2, 5, 3, 3))
    torch.testing.assert_close(points, (pixels - pixels[..., :1, :]) / focal[..., None, :])
    with pytest.raises(ValueError, match="pixels must have shape"):
        far_camera(torch.zeros(17, 3))
