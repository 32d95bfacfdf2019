"""Puppets at and behind the camera, in half precision, and gradients of other puppets."""

import pytest
import torch
from part_synth.models import Capsule, CropCamera, Puppet
from small_puppets import HAT, many_parts, three_parts
from tiny_part_synth import joint, make_poses
from two_arms import ARMS, LEFT, RIGHT, one, place

NEAREST = torch.tensor([-0.8], dtype=torch.float64)
FIELDS = ("parts", "capsules", "foreground")


def draw(puppet, nearest=NEAREST, size=(24, 24), **ends):
    return puppet(*place(**ends), one(1.0), size, blur=0.5, nearest=nearest)


ACROSS = dict(right_elbow=(-0.7, 0.0, 0.0), right_wrist=(0.7, 0.0, 0.0))


def left(depth_elbow, depth_wrist):
    return dict(left_elbow=(0.0, -0.7, depth_elbow), left_wrist=(0.0, 0.7, depth_wrist), **ACROSS)


def test_a_limb_behind_the_camera_is_not_drawn():
    hidden = draw(Puppet(ARMS), **left(-0.9, -3.0))
    alone = draw(Puppet(ARMS[1:]), **ACROSS)
    for name in ("parts", "foreground"):
        torch.testing.assert_close(getattr(hidden, name), getattr(alone, name), atol=1e-6, rtol=0)
    # Without the near plane it would hide the other one.
    wrong = draw(Puppet(ARMS), nearest=None, **left(-0.9, -3.0))
    assert wrong.parts[0, LEFT].sum() > 10 and wrong.parts[0, RIGHT, 12, 12] < 0.1


def test_a_limb_through_the_near_plane_is_cut_off_there():
    """The upper half of the left forearm can be seen, and hides the right one up to its end."""
    maps = draw(
        Puppet([Capsule("left_forearm", "left_elbow", "left_wrist", 0.1, 0.1), ARMS[1]]),
        size=(48, 48),
        **left(-0.3, -1.3),
    )
    arm = maps.parts[0, LEFT]
    assert arm[10:22, 23:25].min() > 0.8
    assert arm[31:].max() < 1e-3
    other = draw(Puppet(ARMS), **left(-1.3, -0.3)).parts[0, LEFT]
    assert other[14:, 11:13].max() > 0.6 and other[:6].max() < 1e-3


def test_passing_the_near_plane_moves_nothing_at_once():
    depths = torch.linspace(-0.7, -0.9, 401).double()
    puppet = Puppet(ARMS)
    for both in (True, False):
        points, depth = place(**left(0.0, 0.0))
        points, depth = points.expand(401, -1, -1), depth.repeat(401, 1)
        depth[:, joint("left_wrist")] = depths
        depth[:, joint("left_elbow")] = depths if both else -0.5
        scale = one(1.0).expand(401)
        maps = puppet(points, depth, scale, (16, 16), nearest=NEAREST.expand(401))
        step = (maps.parts[1:] - maps.parts[:-1]).abs().amax((1, 2, 3))
        # Half a millimetre per step; a limb is gone within a few centimetres.
        assert step.max() < 0.3
        assert (maps.parts[0] - maps.parts[-1]).abs().max() > (0.5 if both else 0.3)


@pytest.mark.parametrize("depths", [(-0.3, -1.3), (-0.85, -0.82), (-0.7, -0.6)])
def test_gradients_at_the_near_plane(depths):
    puppet = Puppet(ARMS, depth_sharpness=5.0)
    points, deep = place(**left(*depths))
    used = torch.tensor([joint(name) for c in ARMS for name in (c.start, c.end)])

    def see(p, d, nearest):
        everywhere, depth = points.index_copy(1, used, p), deep.index_copy(1, used, d)
        return puppet(everywhere, depth, one(1.0), (5, 5), blur=1.3, nearest=nearest).parts

    # Off the pixels' centres, where the places of the nearest point of an axis have a kink.
    inputs = (points[:, used] + 0.013, deep[:, used].clone(), NEAREST.clone())
    assert torch.autograd.gradcheck(see, [value.requires_grad_() for value in inputs])


@pytest.mark.parametrize("content", [three_parts(), HAT], ids=["3 parts", "hat"])
def test_gradients_from_pose_radii_and_camera_to_maps(content):
    puppet = Puppet(puppet=content, depth_sharpness=5.0).double()
    pose = make_poses(1, seed=5, dtype=torch.float64)
    count = len(puppet.capsules)

    def see(pose, factors, scale, offset):
        camera = CropCamera(one(0.4), one(0.2), one(0.1), scale, offset, 4.5)
        seen = camera.rotate(puppet.extend_joints(pose))
        maps = puppet(
            camera.project(seen),
            seen[..., 2],
            scale,
            (4, 3),
            blur=1.1,
            radius_factors=factors,
            nearest=camera.nearest_depth(),
        )
        return maps.parts

    generator = torch.Generator().manual_seed(2)
    factors = 1 + 0.1 * torch.rand(1, count, generator=generator, dtype=torch.float64)
    inputs = [pose, factors, one(0.8), torch.tensor([[0.013, -0.027]], dtype=torch.float64)]
    assert torch.autograd.gradcheck(see, [value.requires_grad_() for value in inputs], atol=1e-5)


AWKWARD = {
    "behind the camera": (0.3, [0.0, 0.0, -2.0], 1.0),
    "around the camera": (0.5, [0.0, 0.0, -0.5], 1.0),
    "at the camera": (1.0, [0.0, 0.0, -1.0], 1.0),
    "far to the side": (4.5, [1e5, -1e5, 0.0], 1.0),
    "very far away": (4.5, [0.0, 0.0, 1e6], 1.0),
    "all joints in one place": (4.5, [0.0, 0.0, 0.0], 0.0),
    "all joints in one place behind the camera": (1.0, [0.0, 0.0, -4.0], 0.0),
}


@pytest.mark.parametrize("precision", ["single", "autocast"])
@pytest.mark.parametrize("where", AWKWARD)
def test_no_nan_from_pose_to_maps(where, precision):
    distance, shift, size = AWKWARD[where]
    puppet = Puppet(puppet=many_parts(25), learn_radii=True)
    pose = (make_poses(2, seed=7) * size + torch.tensor(shift)).requires_grad_()
    scale = torch.ones(2, requires_grad=True)
    flat = torch.zeros(2)
    camera = CropCamera(flat, flat, flat, scale, torch.zeros(2, 2), distance)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "autocast"):
        seen = camera.rotate(puppet.extend_joints(pose))
        maps = puppet(
            camera.project(seen),
            seen[..., 2],
            scale,
            (16, 16),
            details=True,
            nearest=camera.nearest_depth(),
        )
    for name, value in vars(maps).items():
        assert value.isfinite().all(), name
    torch.testing.assert_close(maps.parts.sum(1), torch.ones(2, 16, 16), atol=1e-5, rtol=0)
    (maps.parts.square().sum() + maps.capsules.square().sum()).backward()
    for value in (pose, scale, puppet.log_radii):
        assert value.grad.isfinite().all()
    if where.endswith("behind the camera") or where in ("behind the camera", "far to the side"):
        assert maps.foreground.max() < 1e-4
    if where == "all joints in one place":
        assert maps.foreground.max() > 0.5


def test_half_precision_draws_the_same(scene):
    puppet = Puppet()
    points, depths, scale = scene[:3]
    plain = puppet(points, depths, scale, (32, 32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = puppet(points, depths, scale, (32, 32))
    for name in FIELDS:
        torch.testing.assert_close(getattr(half, name), getattr(plain, name), atol=1e-5, rtol=0)
    # Points that are themselves in half precision are off by their rounding, no more.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = puppet(points.bfloat16(), depths.bfloat16(), scale.bfloat16(), (32, 32))
    assert half.parts.isfinite().all()
    assert (half.foreground.float() - plain.foreground).abs().mean() < 0.02
