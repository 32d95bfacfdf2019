from itertools import pairwise

import numpy as np
import pytest
from mmpose.utils.camera import SimpleCamera
from part_synth.datasets.synthetic.rooms import furnished_for, random_room, render_room
from part_synth.datasets.synthetic.scene import (
    fit_focal,
    look_at,
    place_cameras,
    random_light,
)
from part_synth.datasets.synthetic.travel import travelling_cameras

PERSON = np.random.default_rng(0).uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 1.7], (12, 50, 3))


@pytest.fixture
def camera():
    spot = place_cameras(1, np.random.default_rng(4))[0]
    return spot.view(fit_focal(spot.view(), PERSON, 96), 96)


def test_camera_axes_and_target():
    rotation = look_at(np.array([3.0, -4.0, 1.5]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    target = rotation @ (np.array([0.0, 0.0, 1.0]) - [3.0, -4.0, 1.5])
    np.testing.assert_allclose(target, [0, 0, np.linalg.norm([3, 4, 0.5])], atol=1e-12)
    assert (rotation @ [0.0, 0.0, 1.0])[1] < 0  # up in the world is up in the image


def test_mmpose_reads_the_same_camera(camera):
    entry = camera.to_h36m(96, 0, "cam0")
    points = PERSON[0]
    theirs = SimpleCamera(entry)
    np.testing.assert_allclose(theirs.world_to_camera(points), camera.to_camera(points), atol=1e-5)
    in_pixels = camera.to_pixels(camera.to_camera(points))
    np.testing.assert_allclose(theirs.world_to_pixel(points), in_pixels, atol=1e-3)


def test_a_finer_image_sees_the_same(camera):
    """Pixel centres: fine pixels 2i and 2i + 1 lie a quarter pixel left and right of pixel i."""
    cam = camera.to_camera(PERSON[0])
    fine = camera.scaled(2).to_pixels(cam)
    np.testing.assert_allclose((fine + 0.5) / 2 - 0.5, camera.to_pixels(cam), atol=1e-9)


def test_everybody_is_in_the_frame_at_the_wanted_size(camera):
    pixels = camera.to_pixels(camera.to_camera(PERSON))
    assert pixels.min() > 0 and pixels.max() < 95
    share = np.median(np.ptp(pixels[..., 1], axis=1)) / 96
    assert 0.5 < share < 0.75


def test_cameras_stand_all_around():
    spots = place_cameras(4, np.random.default_rng(0))
    azimuths = np.sort([spot.azimuth for spot in spots])
    gaps = np.diff(np.append(azimuths, azimuths[0] + 2 * np.pi))
    assert gaps.min() > np.deg2rad(35)
    assert all(4 < spot.distance < 7.5 and 0.5 < spot.height < 3.2 for spot in spots)


def test_cameras_stand_where_they_are_asked_to():
    spots = place_cameras(8, np.random.default_rng(0), distance=(8.0, 9.0), height=(0.3, 0.4))
    assert all(8 <= spot.distance <= 9 and 0.3 <= spot.height <= 0.4 for spot in spots)
    # The same draws otherwise.
    usual = place_cameras(8, np.random.default_rng(0))
    assert [spot.azimuth for spot in usual] == [spot.azimuth for spot in spots]


def test_travelling_cameras_move_smoothly_and_keep_the_person(camera):
    spot = place_cameras(1, np.random.default_rng(4))[0]
    views = travelling_cameras(spot, PERSON, 96, 10.0, np.random.default_rng(1))
    assert len(views) == len(PERSON) and len({view.focal for view in views}) == 1
    steps = [np.linalg.norm(after.position - before.position) for before, after in pairwise(views)]
    assert 0 < max(steps) < 0.12
    for view, points in zip(views, PERSON, strict=True):
        pixels = view.to_pixels(view.to_camera(points))
        assert pixels.min() > 0 and pixels.max() < 95


def test_room_is_textured_and_repeatable(camera):
    room, light = random_room(np.random.default_rng(0)), random_light(np.random.default_rng(1))
    image = render_room(room, light, camera, 96)
    assert image.shape == (96, 96, 3) and image.min() >= 0 and image.max() <= 1
    assert image.std(axis=(0, 1)).min() > 0.02
    np.testing.assert_array_equal(image, render_room(room, light, camera, 96))
    other = render_room(random_room(np.random.default_rng(7)), light, camera, 96)
    assert np.abs(image - other).mean() > 0.03


def test_furniture_never_stands_before_the_person(camera):
    room = random_room(np.random.default_rng(3))
    kept = furnished_for(room, [camera]).boxes
    assert len(kept) < len(room.boxes)
    origin = camera.to_camera(np.zeros(3))[2]
    for box in kept:
        assert camera.to_camera(np.array([box.low, box.high]))[:, 2].min() > origin + 1.2
