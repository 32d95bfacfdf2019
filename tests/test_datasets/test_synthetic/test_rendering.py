import numpy as np
import pytest
from part_synth.datasets.synthetic.rendering import draw_person, floor_shadow, to_8bit
from part_synth.datasets.synthetic.scene import Light, PinholeCamera, look_at

SIZE = 20
FACES = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.fixture
def camera():
    """Looks along +z from the origin: one metre at 10 m is 10 px."""
    return PinholeCamera(np.eye(3), np.zeros(3), 100.0, ((SIZE - 1) / 2, (SIZE - 1) / 2))


def square(left, top, right, bottom, camera):
    """Corners in the world, at 10 m, of a square given by its edges in px; outside faces us."""
    corners = np.array([[left, top], [left, bottom], [right, bottom], [right, top]], float)
    plane = (corners - np.array(camera.centre)) / camera.focal
    return np.column_stack([plane, np.ones(4)]) * 10


def draw(vertices, labels, camera):
    background = np.full((SIZE, SIZE, 3), 0.2)
    colours = np.full((4, 3), 0.8)
    return draw_person(vertices, FACES, colours, labels, camera, background)


def test_full_pixels_take_colour_and_label(camera):
    vertices = square(3.5, 4.5, 9.5, 12.5, camera)  # pixels 4..9 by 5..12, edge to edge
    image, labels = draw(vertices, np.full(4, 7, np.uint8), camera)
    expected = np.zeros((SIZE, SIZE), np.uint8)
    expected[5:13, 4:10] = 7
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(image[expected > 0], 0.8, atol=1e-6)
    np.testing.assert_allclose(image[expected == 0], 0.2, atol=1e-6)


def test_half_covered_pixels_are_blended(camera):
    vertices = square(3.5, 4.5, 10.0, 12.5, camera)  # the last column is covered by half
    image, labels = draw(vertices, np.full(4, 7, np.uint8), camera)
    np.testing.assert_allclose(image[6:12, 10], 0.5, atol=1e-6)
    assert (labels[6:12, 10] == 7).all() and (labels[:, 11] == 0).all()


def test_labels_are_those_of_the_near_corner(camera):
    vertices = square(1.5, 1.5, 17.5, 17.5, camera)
    _, labels = draw(vertices, np.array([3, 3, 9, 9], np.uint8), camera)
    assert set(np.unique(labels)) == {0, 3, 9}
    assert (labels[2:18, 2:6] == 3).mean() > 0.9 and (labels[2:18, 14:18] == 9).mean() > 0.9


def test_shadow_falls_away_from_the_lamp():
    position = np.array([0.0, -4.0, 3.0])
    view = PinholeCamera(look_at(position, np.zeros(3)), position, 60.0, (31.5, 31.5))
    direction = np.array([-1.0, 0.0, 1.0]) / np.sqrt(2)  # the lamp is at the left
    light = Light(direction, np.full(3, 0.6), np.full(3, 0.5), shadow=0.8)
    column = np.column_stack([np.zeros((200, 2)), np.linspace(0, 1, 200)])
    kept = floor_shadow(column, light, view, 64, half=np.array([3.0, 3.0]))
    assert kept.shape == (64, 64) and kept.min() > 0.2 and kept.max() == 1.0
    assert (1 - kept[:, 33:]).sum() > 3 * (1 - kept[:, :31]).sum()
    walled = floor_shadow(column, light, view, 64, half=np.array([0.3, 0.3]))
    assert (1 - walled).sum() < (1 - kept).sum()


def test_noise_is_that_of_a_sensor():
    image = np.full((64, 64, 3), 0.5, np.float32)
    noisy = to_8bit(image, np.random.default_rng(0)).astype(float)
    assert noisy.mean() == pytest.approx(127.5, abs=0.2)
    assert noisy.std() == pytest.approx(1.23, abs=0.1)
