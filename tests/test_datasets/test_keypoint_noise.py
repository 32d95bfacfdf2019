"""Detector-like noise: its statistics are what the docstring says."""

import numpy as np
import pytest
from part_synth.datasets.keypoint_noise import detector_noise, joint_sigmas
from part_synth.geometry import H36M17

STILL = np.random.default_rng(0).uniform(100, 900, (17, 2))
NAMES = list(H36M17.joint_names)


def noise(shape, seed=0, sigma=5.0, **options):
    """Displacement of still joints, repeated to (*shape, 17, 2)."""
    clean = np.broadcast_to(STILL, (*shape, 17, 2))
    return detector_noise(clean, sigma, np.random.default_rng(seed), **options) - clean


@pytest.mark.parametrize("clip", [False, True])
def test_sigma_is_the_rms_over_joints(clip):
    moved = noise((40, 1000), clip=clip, outlier_share=0.0, swap_share=0.0)
    found = moved.reshape(-1, 17, 2).std((0, 2))
    np.testing.assert_allclose(found, 5.0 * joint_sigmas(), rtol=0.05)
    assert np.sqrt((found**2).mean()) == pytest.approx(5.0, rel=0.02)
    assert abs(moved.mean()) < 0.05
    # The first and the last frame of clips are as noisy as any other.
    edge = moved[:, [0, -1]] / joint_sigmas()[:, None]
    assert edge.std() == pytest.approx(5.0, rel=0.05)


def test_ends_of_limbs_are_noisier_than_the_trunk():
    sigma = dict(zip(NAMES, joint_sigmas(), strict=True))
    for limb in ("wrist", "foot", "elbow", "knee"):
        for trunk in ("left_hip", "right_hip", "root", "spine", "thorax", "neck_base"):
            assert sigma[f"left_{limb}"] > 1.3 * sigma[trunk]
        assert sigma[f"left_{limb}"] == sigma[f"right_{limb}"]
    assert (joint_sigmas() ** 2).mean() == pytest.approx(1.0)


def correlation(moved, lag):
    return (moved[:, lag:] * moved[:, :-lag]).mean() / (moved**2).mean()


def test_half_of_the_variance_of_a_clip_persists():
    options = {"outlier_share": 0.0, "swap_share": 0.0}
    clip = noise((200, 200), clip=True, **options)
    for lag in (1, 5, 10):
        assert correlation(clip, lag) == pytest.approx(0.5 * 0.9**lag, abs=0.02)
    assert abs(correlation(noise((200, 200), **options), 1)) < 0.01


def test_outliers():
    moved = noise((20000,), outlier_share=0.02, swap_share=0.0)
    reach = np.linalg.norm(moved, axis=-1)
    head = reach[:, NAMES.index("thorax")]  # sigma there is 3 px: only outliers get beyond 20
    assert (head >= 20.0).mean() == pytest.approx(0.02, abs=0.004)
    assert head.max() <= 40.0
    everyone = noise((500,), outlier_share=1.0, swap_share=0.0)
    everyone = np.linalg.norm(everyone, axis=-1)
    assert everyone.min() == pytest.approx(20.0, abs=0.1)
    assert everyone.max() == pytest.approx(40.0, abs=0.1)


def test_swaps_exchange_whole_limbs():
    clean = np.broadcast_to(STILL, (40000, 17, 2))
    seen = detector_noise(clean, 0.0, np.random.default_rng(1), swap_share=0.01)
    swapped = (seen != clean).any(-1)
    for joints in (("hip", "knee", "foot"), ("shoulder", "elbow", "wrist")):
        limb = [NAMES.index(f"{side}_{joint}") for side in ("left", "right") for joint in joints]
        assert (swapped[:, limb].all(1) == swapped[:, limb].any(1)).all()
        assert swapped[:, limb[0]].mean() == pytest.approx(0.01, abs=0.002)
        frame = int(np.flatnonzero(swapped[:, limb[0]])[0])
        mirrored = [H36M17.flip_indices[joint] for joint in limb]
        np.testing.assert_array_equal(seen[frame, limb], STILL[mirrored])
    trunk = [NAMES.index(name) for name in ("root", "spine", "thorax", "neck_base", "head")]
    assert not swapped[:, trunk].any()
    arms, legs = swapped[:, NAMES.index("left_wrist")], swapped[:, NAMES.index("left_foot")]
    assert (arms & legs).sum() < 0.2 * arms.sum()


def test_noise_grows_with_the_image():
    options = {"outlier_share": 0.5, "swap_share": 0.0}
    np.testing.assert_allclose(
        noise((50,), image_size=250.0, **options), 0.25 * noise((50,), **options), atol=1e-9
    )
    np.testing.assert_array_equal(noise((5,), sigma=0.0, swap_share=0.0), 0.0)


def test_shape_seed_and_input():
    clean = np.broadcast_to(STILL, (3, 4, 17, 2)).astype(np.float32)
    before = clean.copy()
    one, again = (detector_noise(clean, 5.0, np.random.default_rng(2), clip=True) for _ in range(2))
    other = detector_noise(clean, 5.0, np.random.default_rng(3), clip=True)
    np.testing.assert_array_equal(one, again)
    assert one.shape == clean.shape
    assert (one != other).any()
    np.testing.assert_array_equal(clean, before)
    assert detector_noise(STILL, 5.0, np.random.default_rng(0)).shape == (17, 2)
    assert detector_noise(clean[:, :1], 5.0, np.random.default_rng(0), clip=True).shape[1] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keypoints": np.zeros((5, 16, 2))}, r"got the shape \(5, 16, 2\)"),
        ({"keypoints": np.zeros((17, 2)), "clip": True}, r"clips \(\*, T, 17, 2\)"),
        ({"sigma_px": -1.0}, "sigma_px must be 0 or more"),
        ({"sigma_px": float("nan")}, "sigma_px must be 0 or more"),
        ({"image_size": 0}, "image_size must be positive"),
        ({"outlier_share": 1.5}, "outlier_share must be between 0 and 1"),
        ({"swap_share": -0.1}, "swap_share must be between 0 and 1"),
    ],
)
def test_mistakes(arguments, message):
    arguments = {"keypoints": STILL, "sigma_px": 5.0} | arguments
    with pytest.raises(ValueError, match=message):
        detector_noise(rng=np.random.default_rng(0), **arguments)
