import numpy as np
import pytest
from part_synth.inferencer.motion import root_positions, smooth_poses
from tiny_videos import motion_sequence


def test_roots_are_found_where_people_stand():
    sequence = motion_sequence(root=True)
    focal, centre = np.array([1000.0, 1000]), np.array([500.0, 500])
    found = root_positions(sequence.joints, sequence.keypoints, focal, centre)
    np.testing.assert_allclose(found, sequence.root, atol=2.0)


def test_roots_with_missing_joints():
    sequence = motion_sequence(root=True, people=1)
    points = sequence.keypoints.copy()
    points[:, [3, 9, 16]] = np.nan
    points[4] = np.nan
    found = root_positions(
        sequence.joints, points, np.array([1000.0, 1000]), np.array([500.0, 500])
    )
    assert np.isnan(found[4]).all()
    np.testing.assert_allclose(np.delete(found, 4, 0), np.delete(sequence.root, 4, 0), atol=2.0)


def test_smoothing_takes_noise_and_leaves_the_motion():
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(100) / 15)[:, None, None] * np.ones((1, 17, 3))
    noisy = clean + 0.1 * rng.normal(size=clean.shape)
    frames, ids = np.arange(100), np.zeros(100, int)
    smooth = smooth_poses(noisy, ids, frames, 25.0, 0.1)
    assert np.abs(smooth - clean).mean() < 0.5 * np.abs(noisy - clean).mean()


def test_smoothing_mixes_no_people_and_no_gaps():
    joints = np.repeat([0.0, 1.0, 5.0], 10)[:, None, None] * np.ones((1, 17, 3))
    ids = np.repeat([0, 1, 1], 10)
    frames = np.concatenate([np.arange(10), np.arange(10), np.arange(50, 60)])
    np.testing.assert_allclose(smooth_poses(joints, ids, frames, 25.0, 0.2), joints)


def test_smoothing_leaves_missing_poses_alone():
    joints = np.ones((10, 17, 3))
    joints[4] = np.nan
    out = smooth_poses(joints, np.zeros(10, int), np.arange(10), 25.0, 0.2)
    assert np.isnan(out[4]).all() and (np.delete(out, 4, 0) == 1).all()


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_smoothing_of_no_time(seconds):
    with pytest.raises(ValueError, match="smoothing must be seconds"):
        smooth_poses(np.ones((1, 17, 3)), np.zeros(1), np.zeros(1), 25.0, seconds)
