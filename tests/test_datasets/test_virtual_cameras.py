"""Virtual camera rigs: the ranges they promise, and views against geometry and mmpose's camera."""

import numpy as np
import pytest
import torch
from mmpose.utils.camera import SimpleCamera
from part_synth.datasets.h36m_layout import camera_row
from part_synth.datasets.virtual_cameras import human36m_like_rig, look_through
from part_synth.geometry import project, world_to_camera

POINTS = np.random.default_rng(5).uniform([-1.0, -1.0, 0.0], [1.0, 1.0, 2.0], (7, 17, 3))


def rig(seed=0, cameras=4):
    return human36m_like_rig(np.random.default_rng(seed), cameras)


def angles(camera):
    """Azimuth of the position, yaw between axis and room middle, tilt and roll, degrees."""
    right, down, forward = camera["R"].T
    x, y, _ = camera["T"][:, 0]
    yaw = np.arctan2(-forward[1], -forward[0]) - np.arctan2(y, x)
    tilt = np.arcsin(-forward[2])
    roll = np.arctan2(right[2], -down[2])
    azimuth = np.arctan2(y, x)
    return np.rad2deg([azimuth, (yaw + np.pi) % (2 * np.pi) - np.pi, tilt, roll])


def test_ranges():
    every = [camera for seed in range(60) for camera in rig(seed).values()]
    for camera in every:
        _, yaw, tilt, roll = angles(camera)
        assert abs(yaw) < 1e-6
        assert 10.0 <= tilt <= 16.0
        assert abs(roll) <= 1.03  # measured against the tilted horizon
        assert 4.0 <= np.hypot(*camera["T"][:2, 0]) <= 5.6
        assert 1.4 <= camera["T"][2, 0] <= 1.7
        assert ((camera["f"] >= 1145) & (camera["f"] <= 1150)).all()
        assert (np.abs(camera["c"][:, 0] - (512, 508)) <= 12).all()
        assert camera["w"] == camera["h"] == 1000
        assert not camera["k"].any() and not camera["p"].any()
        np.testing.assert_allclose(camera["R"].T @ camera["R"], np.eye(3), atol=1e-12)
        assert np.linalg.det(camera["R"]) == pytest.approx(1.0)
    # All of the ranges are used.
    tilts, rolls = np.array([angles(camera)[2:] for camera in every]).T
    assert np.ptp(tilts) > 5.5
    assert np.ptp(rolls) > 1.8


def test_one_camera_in_each_quadrant_of_a_turned_rig():
    turns = []
    for seed in range(40):
        azimuth = np.array([angles(camera)[0] for camera in rig(seed).values()])
        gaps = np.diff(azimuth, append=azimuth[0]) % 360
        assert (np.abs(gaps - 90) <= 20).all()
        turns.append(azimuth[0] % 360)
    assert np.ptp(turns) > 180


def test_shapes_and_layout():
    for name, camera in rig().items():
        shapes = {key: np.shape(camera[key]) for key in "RTcfkp"}
        assert shapes == {"R": (3, 3), "T": (3, 1)} | dict.fromkeys("cf", (2, 1)) | {
            "k": (3, 1),
            "p": (2, 1),
        }
        row = camera_row(camera, name)
        np.testing.assert_array_equal(row.position[0], camera["T"][:, 0])
        assert camera["id"] == name
        assert not set(name) & set("_.")


def test_views_agree_with_geometry_and_mmpose():
    cameras = rig(3)
    points, pixels = look_through(POINTS, cameras)
    assert points.shape == (4, 7, 17, 3)
    assert pixels.shape == (4, 7, 17, 2)
    for i, camera in enumerate(cameras.values()):
        numbers = {key: torch.from_numpy(camera[key]) for key in "RTfc"}
        seen = world_to_camera(torch.from_numpy(POINTS), numbers["R"], numbers["T"][:, 0])
        np.testing.assert_allclose(points[i], seen.numpy(), atol=1e-12)
        flat = project(seen, numbers["f"][:, 0], numbers["c"][:, 0])
        np.testing.assert_allclose(pixels[i], flat.numpy(), atol=1e-9)
        theirs = SimpleCamera(camera)
        np.testing.assert_allclose(points[i], theirs.world_to_camera(POINTS), atol=1e-6)
        np.testing.assert_allclose(pixels[i], theirs.world_to_pixel(POINTS), atol=1e-3)


def test_what_is_up_left_and_near():
    standing = np.array([[0.0, 0.0, 0.9], [0.0, 0.0, 1.8]])
    for camera in rig(1).values():
        points, pixels = look_through(standing, {"a": camera})
        (_, middle), (_, head) = pixels[0]
        assert head < middle  # y points down
        assert (points[0, :, 2] > 3.5).all()
        assert (np.abs(pixels[0, :, 0] - camera["c"][0]) < 15).all()
        # Seen from the origin the camera's right is clockwise from above.
        x, y, _ = camera["T"][:, 0] / np.hypot(*camera["T"][:2, 0])
        right, _ = look_through(np.array([-y, x, 0.9]), {"a": camera})
        assert right[0, 0] > 0.9


def test_seed_number_and_mistakes():
    again, other = rig(7), rig(8)
    for name, camera in rig(7).items():
        assert all(np.array_equal(camera[key], again[name][key]) for key in "RTfc")
        assert not np.array_equal(camera["R"], other[name]["R"])
    assert list(rig(0, 1)) == ["cam0"]
    many = np.array([angles(camera)[0] for camera in rig(0, 24).values()])
    assert (np.diff(many) % 360 < 180).all()  # in order
    with pytest.raises(ValueError, match="at least one camera"):
        rig(0, 0)
    with pytest.raises(ValueError, match=r"shape \(\*, 3\), got \(4, 2\)"):
        look_through(np.zeros((4, 2)), rig())
