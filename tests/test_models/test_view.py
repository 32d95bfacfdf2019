import math

import pytest
import torch
from part_synth.geometry import project
from part_synth.models import CropCamera, extend_joints, fit_to_crop
from tiny_part_synth import make_poses


def camera(batch=5, distance=4.5, **changes):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.rand(batch, *shape, generator=generator, dtype=torch.float64) * 2 - 1

    fields = dict(
        azimuth=math.pi * draw(),
        elevation=0.5 * draw(),
        roll=0.2 * draw(),
        scale=1 + 0.3 * draw(),
        offset=0.2 * draw(2),
        distance=distance,
    )
    return CropCamera(**{**fields, **changes})


POSES = make_poses(5, seed=6, dtype=torch.float64)


def test_rotation_by_hand():
    """Azimuth about the vertical first, then elevation, then roll, all about camera axes."""
    view = camera()
    turned = view.rotate(POSES)
    for b in range(5):
        azimuth, elevation, roll = (float(a[b]) for a in (view.azimuth, view.elevation, view.roll))
        for j in range(17):
            x, y, z = POSES[b, j].tolist()
            x, z = (
                math.cos(azimuth) * x + math.sin(azimuth) * z,
                math.cos(azimuth) * z - math.sin(azimuth) * x,
            )
            y, z = (
                math.cos(elevation) * y - math.sin(elevation) * z,
                math.cos(elevation) * z + math.sin(elevation) * y,
            )
            x, y = math.cos(roll) * x - math.sin(roll) * y, math.cos(roll) * y + math.sin(roll) * x
            assert turned[b, j].tolist() == pytest.approx([x, y, z], abs=1e-6)


def test_meaning_of_the_angles():
    left, front, up = torch.eye(3, dtype=torch.float64) * torch.tensor([1.0, -1.0, -1.0])
    front, up = up, front  # body frame: x left, y down, z back
    points = torch.stack([left, front, up])[None]
    zero, tilt = torch.zeros(1).double(), torch.full((1,), 0.3).double()
    level = camera(1, azimuth=zero, elevation=zero, roll=zero).rotate(points)[0]
    assert level[0, 0] == pytest.approx(1)  # the person's left is at the image's right
    assert level[1, 2] == pytest.approx(-1)  # the person faces the camera
    above = camera(1, azimuth=zero, elevation=tilt, roll=zero).rotate(points)[0]
    assert above[2, 2] < 0  # seen from above, the head comes towards the camera


@pytest.mark.parametrize("distance", [4.5, torch.tensor([3.0, 4.0, 5.0, 6.0, 7.0]).double()])
def test_projection_is_a_pinhole(distance):
    view = camera(distance=distance)
    in_camera = view.rotate(POSES)
    away = torch.as_tensor(distance, dtype=torch.float64).expand(5)
    root = torch.stack([torch.zeros(5), torch.zeros(5), away], dim=-1).double()
    focal = (view.scale * away)[:, None].expand(5, 2)
    wanted = project(in_camera + root[:, None], focal, view.offset)
    torch.testing.assert_close(view.project(in_camera), wanted)


def test_scale_and_offset_are_those_of_the_pelvis():
    view = camera()
    metre = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).double()
    points = view.project(metre.expand(5, 3, 3))
    torch.testing.assert_close(points[:, 0], view.offset)
    torch.testing.assert_close(points[:, 1, 0] - points[:, 0, 0], view.scale)
    torch.testing.assert_close(points[:, 2, 1] - points[:, 0, 1], view.scale)


def test_nothing_turns_over_behind_the_camera():
    view = camera(distance=1.0)
    points = torch.tensor([[0.5, 0.2, -0.5], [0.5, 0.2, -3.0], [0.5, 0.2, -1.0]]).double()
    points = points.expand(5, 3, 3).clone().requires_grad_()
    places = view.project(points) - view.offset[:, None]
    assert (places > 0).all()
    # Never closer than a fifth of the distance.
    torch.testing.assert_close(places[:, 1, 0], view.scale * 0.5 / 0.2)
    places.sum().backward()
    assert points.grad.isfinite().all()


def test_fitted_box_has_the_wanted_side_and_centre():
    view = camera()
    points = view.rotate(extend_joints(POSES))
    extent = torch.linspace(0.6, 1.9, 5).double()
    centre = torch.linspace(-0.3, 0.3, 10).double().reshape(5, 2)
    fitted = fit_to_crop(view, points, extent, centre)
    places = fitted.project(points)
    for b in range(5):
        low, high = places[b].min(0).values, places[b].max(0).values
        assert float((high - low).max()) == pytest.approx(float(extent[b]))
        assert ((low + high) / 2).tolist() == pytest.approx(centre[b].tolist())
    for name in ("azimuth", "elevation", "roll", "distance"):
        assert getattr(fitted, name) is getattr(view, name)


def test_fitting_a_single_point_stays_finite():
    fitted = fit_to_crop(
        camera(), torch.zeros(5, 17, 3).double(), torch.ones(5).double(), torch.zeros(5, 2).double()
    )
    assert fitted.scale.isfinite().all()
    assert fitted.offset.isfinite().all()


def test_gradient():
    view = camera(2)
    points = POSES[:2, :4].clone().requires_grad_()

    def see(points, azimuth, elevation, roll, scale, offset):
        changed = CropCamera(azimuth, elevation, roll, scale, offset, 4.5)
        return changed.project(changed.rotate(points))

    angles = (view.azimuth, view.elevation, view.roll, view.scale, view.offset)
    assert torch.autograd.gradcheck(see, [points, *(a.requires_grad_() for a in angles)])
