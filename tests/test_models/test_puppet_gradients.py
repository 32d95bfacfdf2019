import math

import pytest
import torch
from part_synth.models import CropCamera, Puppet, extend_joints
from tiny_part_synth import joint, make_poses
from two_arms import ARMS, cross, one, place


def test_gradients_of_points_and_depths():
    puppet = Puppet(ARMS, depth_sharpness=5.0)
    points, depths = cross(0.05, -0.02, left_wrist=(0.5, 0.13, 0.1), right_wrist=(0.17, 0.5, 0.0))
    used = [joint(name) for c in ARMS for name in (c.start, c.end)]

    def draw(p, d, scale):
        everywhere = points.index_copy(1, torch.tensor(used), p)
        depth = depths.index_copy(1, torch.tensor(used), d)
        maps = puppet(everywhere, depth, scale, (7, 7), blur=1.3)
        return maps.parts, maps.capsules

    inputs = (points[:, used].clone(), depths[:, used].clone(), one(1.1))
    assert torch.autograd.gradcheck(draw, [value.requires_grad_() for value in inputs])


def test_gradient_of_the_radii():
    puppet = Puppet(ARMS, learn_radii=True).double()
    points, depths = cross(0.05, -0.02)

    def draw(log_radii):
        call = lambda *args: torch.func.functional_call(puppet, {"log_radii": log_radii}, args)  # noqa: E731
        return call(points, depths, one(1.0), (7, 7)).parts

    start = torch.tensor([0.1, -0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(draw, [start])


def awkward(name):
    """Points (1, E, 2) and depths (1, E) that a careless formula divides by zero for."""
    joints = extend_joints(make_poses(1, seed=7))
    camera = CropCamera(
        azimuth=torch.zeros(1),
        elevation=torch.zeros(1),
        roll=torch.zeros(1),
        scale=torch.ones(1),
        offset=torch.zeros(1, 2),
        distance=4.5,
    )
    if name == "limb points at the camera":
        points, depths = camera.project(joints), joints[..., 2].clone()
        points[:, joint("left_wrist")] = points[:, joint("left_elbow")]
        depths[:, joint("left_wrist")] = depths[:, joint("left_elbow")] - 0.3
        return points, depths
    if name == "all joints in one place":
        joints = extend_joints(torch.zeros(1, 17, 3))
    elif name == "far outside the crop":
        camera.offset = torch.full((1, 2), 1e4)
    elif name == "behind the camera":
        camera.distance = 0.3
        joints = joints - torch.tensor([0.0, 0.0, 2.0])
    elif name == "on a pixel's centre":
        camera.scale = torch.full((1,), 1e-6)
        camera.offset = torch.full((1, 2), 1 / 16)
    return camera.project(joints), joints[..., 2]


AWKWARD = [
    "limb points at the camera",
    "all joints in one place",
    "far outside the crop",
    "behind the camera",
    "on a pixel's centre",
]


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("blur", [0.01, 1.0])
def test_no_nan_in_values_and_gradients(name, blur):
    puppet = Puppet(learn_radii=True)
    points, depths = (value.requires_grad_() for value in awkward(name))
    scale = torch.ones(1, requires_grad=True)
    maps = puppet(points, depths, scale, (16, 16), blur=blur, details=True)
    for value in (maps.parts, maps.capsules, maps.shade, maps.position, maps.lateral):
        assert value.isfinite().all()
    assert maps.foreground.min() >= 0
    assert maps.foreground.max() <= 1
    (maps.parts.square().sum() + maps.capsules.square().sum()).backward()
    for value in (points, depths, scale, puppet.log_radii):
        assert value.grad.isfinite().all()


def test_limb_that_points_at_the_camera_is_a_disc():
    maps = Puppet(ARMS[:1])(
        *place(left_elbow=(0.1, 0.1, 0.3), left_wrist=(0.1, 0.1, 0.0)), one(3.0), (32, 32), blur=0.3
    )
    area = float(maps.foreground.sum()) * (2 / 32) ** 2
    assert area == pytest.approx(math.pi * 0.36**2, rel=0.03)


def test_nothing_of_a_person_outside_the_crop_is_seen():
    points, depths = awkward("far outside the crop")
    maps = Puppet()(points, depths, torch.ones(1), (16, 16))
    assert maps.foreground.abs().max() < 1e-4
