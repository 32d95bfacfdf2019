"""Shadows of puppets lie on the floor, away from the lamp, where the camera sees the floor."""

import math

import pytest
import torch
from part_synth.models import DressedPuppetPainter, Puppet, PuppetPainter
from part_synth.models.floor_shadow import floor_shadow
from part_synth.models.view import CropCamera
from tiny_part_synth import make_poses

SIZE = (64, 64)


@pytest.fixture(scope="module")
def puppet():
    return Puppet()


def cameras(count, elevation=0.3, **more):
    numbers = {"azimuth": 0.0, "elevation": elevation, "roll": 0.0, "scale": 0.8, **more}
    numbers = {name: torch.full((count,), value) for name, value in numbers.items()}
    return CropCamera(**numbers, offset=torch.zeros(count, 2), distance=torch.full((count,), 4.5))


def standing(puppet, count=1):
    """(B, E, 3) one standing person, several times."""
    poses = make_poses(40, seed=0)
    upright = poses[..., 1].max(1).values.argmax()
    return puppet.extend_joints(poses[upright : upright + 1].repeat(count, 1, 1))


def towards(*directions):
    light = torch.tensor(directions)
    return light / light.norm(dim=-1, keepdim=True)


def middle(shadow):
    """(B, 2) centre of the shadow, x and y in the crop."""
    ticks = torch.linspace(-1, 1, SIZE[0])
    total = shadow.sum((1, 2, 3))
    x = (shadow.sum(2)[:, 0] * ticks).sum(-1) / total
    y = (shadow.sum(3)[:, 0] * ticks).sum(-1) / total
    return torch.stack([x, y], dim=-1)


def test_lies_on_the_floor_away_from_the_lamp(puppet):
    """Lamps at the image's left, its right, behind the person, behind the camera, above."""
    people, camera = standing(puppet, 5), cameras(5)
    # The body's axes turned into the camera: where in the image a lamp is seen.
    right, far = torch.eye(3)[0], torch.eye(3)[2]
    turned = camera.rotate(torch.stack([right, far])[None].expand(5, -1, -1))[0]
    sides = torch.stack([right * turned[0, 0].sign(), far * turned[1, 2].sign()])
    up = torch.tensor([0.0, -1.0, 0.0])
    lamps = [up - sides[0], up + sides[0], up + sides[1], up - sides[1], up]
    light = torch.stack(lamps)
    shadow = floor_shadow(puppet, people, camera, light / light.norm(dim=-1, keepdim=True), SIZE)
    assert shadow.shape == (5, 1, *SIZE)
    assert shadow.min() >= 0 and shadow.amax((1, 2, 3)).min() > 0.9 and shadow.max() <= 1
    x, y = middle(shadow).unbind(-1)
    assert x[0] > x[4] + 0.1 and x[1] < x[4] - 0.1
    assert y[2] > y[4] + 0.05 and y[3] < y[4] - 0.05
    # Under a lamp straight above it is at the feet.
    feet = camera.project(camera.rotate(people))[4, :17, 1].max()
    assert abs(float(y[4] - feet)) < 0.25


@pytest.mark.parametrize("elevation", [-0.2, 0.0])
def test_no_floor_no_shadow(puppet, elevation):
    light = towards([0.5, -1.0, 0.2])
    assert floor_shadow(puppet, standing(puppet), cameras(1, elevation), light, SIZE).max() == 0


def test_what_falls_out_of_the_crop_is_left_out(puppet):
    light = towards([50.0, -1.0, 0.0], [0.0, -1.0, 50.0])
    shadow = floor_shadow(puppet, standing(puppet, 2), cameras(2), light, SIZE)
    assert shadow.isfinite().all() and shadow.mean() < 0.2
    small = floor_shadow(puppet, standing(puppet, 2), cameras(2), light, (7, 5))
    assert small.shape == (2, 1, 7, 5) and small.isfinite().all()
    assert floor_shadow(puppet, standing(puppet)[:0], cameras(0), light[:0], SIZE).shape[0] == 0


def test_painters_cast_it(puppet):
    people, camera = standing(puppet, 8), cameras(8)
    points = camera.project(camera.rotate(people))

    def cast(painter):
        torch.manual_seed(0)
        return painter.cast_shadow(puppet, people, points, camera, SIZE)

    round_ones = cast(PuppetPainter())
    torch.testing.assert_close(cast(DressedPuppetPainter()), round_ones, atol=0, rtol=0)
    shaped = cast(DressedPuppetPainter(lamp=1.0))
    assert (1 - 0.6) ** 1.5 - 1e-6 <= shaped.min() < 0.8 and shaped.max() <= 1
    # Every person has one; a third of the round ones are invisible.
    assert (shaped.amin((1, 2, 3)) < 0.95).all()
    mixed = cast(DressedPuppetPainter(lamp=0.5))
    same = (mixed == round_ones).flatten(1).all(1)
    assert 0 < same.sum() < len(same)


def test_puppets_are_painted_with_it(puppet):
    torch.manual_seed(0)
    poses, scenes = make_poses(6, seed=1), torch.zeros(6, 3, *SIZE)
    painter = DressedPuppetPainter(joint_std=0.0, outline_std=0.0, noise=0.0, lamp=1.0)
    painter.elevation = (math.radians(20), 0.0)
    painted = painter(puppet, poses, scenes)
    empty = painted.maps.foreground[:, None] < 1e-3
    darker = (painted.images - painted.backgrounds)[empty.expand_as(painted.images)]
    # The empty scene is up to 5 % off, as a median of many frames is.
    assert darker.min() < -0.2 and darker.max() < 0.15
