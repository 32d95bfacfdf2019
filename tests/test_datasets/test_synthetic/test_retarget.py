import numpy as np
import pytest
import torch
from part_synth.datasets.synthetic.motions import make_motion
from part_synth.datasets.synthetic.retarget import retarget, skin

LIMBS = [(11, 12), (12, 13), (14, 15), (15, 16), (4, 5), (5, 6), (1, 2), (2, 3)]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture
def driver():
    return make_motion("walk", np.random.default_rng(2), 8, 10.0)


def test_limb_directions_are_the_drivers(body, driver):
    joints = retarget(body, driver, np.random.default_rng(0)).joints.numpy()
    for start, end in LIMBS:
        wanted = unit(driver[:, end] - driver[:, start])
        made = unit(joints[:, end] - joints[:, start])
        np.testing.assert_allclose(made, wanted, atol=1e-6)


def test_lengths_are_the_bodys(body, driver):
    joints = retarget(body, driver, np.random.default_rng(0)).joints.numpy()
    for start, end in [*LIMBS, (1, 4), (9, 10)]:
        length = np.linalg.norm(joints[:, end] - joints[:, start], axis=-1)
        rest = np.linalg.norm(body.joints[end] - body.joints[start])
        np.testing.assert_allclose(length, rest, atol=1e-9)


def test_stands_on_the_floor_near_its_centre(body, driver):
    posed = retarget(body, driver, np.random.default_rng(0), centre=(0.5, -0.4), max_radius=0.2)
    vertices = skin(
        torch.as_tensor(body.weights).double(),
        torch.as_tensor(body.vertices),
        posed.matrices(body),
    )
    lowest = vertices[..., 2].amin(dim=1)
    assert lowest.min() > -0.01 and lowest.max() < 0.05
    path = posed.joints[:, 0, :2] - torch.tensor([0.5, -0.4])
    assert path.norm(dim=-1).max() < 0.2 + 1e-6


def test_own_rest_joints_give_nearly_the_rest_mesh(body):
    """Not exactly: the spine of the joints is straight, and the head glances aside."""
    floor = np.array([0, 0, body.vertices[:, 2].min()])
    posed = retarget(body, (body.joints - floor)[None], np.random.default_rng(0))
    weights = torch.as_tensor(body.weights).double()
    vertices = skin(weights, torch.as_tensor(body.vertices), posed.matrices(body))[0].numpy()
    vertices = vertices - posed.joints[0, 0].numpy()
    rest = body.vertices - body.joints[0]
    assert np.median(np.linalg.norm(vertices - rest, axis=1)) < 0.03
    legs = np.isin(body.part_labels, (9, 10, 12, 13))
    assert np.linalg.norm(vertices - rest, axis=1)[legs].max() < 0.04


@pytest.mark.parametrize("shape", [(5, 16, 3), (17, 3), (0, 17, 3)])
def test_other_shapes_are_refused(body, shape):
    with pytest.raises(ValueError, match="17"):
        retarget(body, np.zeros(shape), np.random.default_rng(0))


def test_values_that_are_not_finite_are_refused(body, driver):
    driver[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        retarget(body, driver, np.random.default_rng(0))


def test_hands_on_the_floor_are_no_jump_but_a_jump_is(body):
    """Upside down on the hands the body stays on the floor; lifted joints lift the body."""
    stand = body.joints - [0, 0, body.joints[:, 2].min() - 0.09]
    flip = stand * [1, -1, -1]
    flip = flip - [0, 0, flip[:, 2].min() - 0.03]
    jump = stand + np.array([0, 0, 0.4])
    driver = np.stack([stand] * 6 + [flip, jump])
    posed = retarget(body, driver, np.random.default_rng(0))
    weights = torch.as_tensor(body.weights).double()
    vertices = skin(weights, torch.as_tensor(body.vertices), posed.matrices(body))
    lowest = vertices[..., 2].amin(dim=1).numpy()
    np.testing.assert_allclose(lowest[:7], 0, atol=0.02)
    assert lowest[7] == pytest.approx(0.36, abs=0.02)
