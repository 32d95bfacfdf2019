"""Offsets of views on made trajectories whose offset is known."""

import numpy as np
import pytest
from part_synth.retrieval import estimate_view_offset


def trajectory(times, seed=0, dims=16):
    """A smooth walk on the unit sphere (T, D) that does not repeat."""
    rng = np.random.default_rng(seed)
    rate, phase = rng.uniform(0.5, 4.0, (12, 1)), rng.uniform(0, 6.3, (12, 1))
    values = np.sin(rate * times + phase).T @ rng.normal(size=(12, dims))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def slow_curve(a, time_a, b, time_b, shifts):
    """Mean distance at each shift, frame by frame, with numpy's interpolation."""
    curve = []
    for shift in shifts:
        distances = []
        for embedding, time in zip(a, time_a + shift, strict=True):
            if not time_b[0] - 1e-9 <= time <= time_b[-1] + 1e-9:
                continue
            there = [np.interp(time, time_b, column) for column in b.T]
            distances.append(np.linalg.norm(embedding - there))
        curve.append(np.mean(distances))
    return np.array(curve)


@pytest.mark.parametrize("lag", [-0.5, -0.1, 0.0, 0.2, 0.6])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_finds_whole_frames(lag, noise):
    rng, times = np.random.default_rng(3), np.arange(60) / 10.0
    # What a shows at t, b shows at t + lag.
    a, b = trajectory(times), trajectory(times - lag)
    a, b = (x + noise * rng.normal(size=x.shape) for x in (a, b))
    found = estimate_view_offset(a, times, b, times, max_offset=1.0)
    assert found.offset == pytest.approx(lag, abs=1e-6 if noise == 0 and lag == 0 else 0.02)
    assert found.contrast > 0.5 and not found.at_limit
    assert (found.margin > 0.2) == (lag != 0)


@pytest.mark.parametrize("lag", [-0.333, 0.13, 0.25])
def test_finds_fractions_of_a_frame_and_other_frame_rates(lag):
    fast, slow = np.arange(100) / 25.0, np.arange(40) / 10.0
    found = estimate_view_offset(trajectory(fast), fast, trajectory(slow - lag), slow, 1.0)
    assert found.offset == pytest.approx(lag, abs=0.02)
    assert found.interval == pytest.approx(0.1)
    back = estimate_view_offset(trajectory(slow - lag), slow, trajectory(fast), fast, 1.0)
    assert back.offset == pytest.approx(-lag, abs=0.02)


def test_curve_is_that_of_a_loop():
    times = np.arange(30) / 10.0
    a, b = trajectory(times), trajectory(times + 0.03, seed=1)
    found = estimate_view_offset(a, times, b, times, 0.5)
    np.testing.assert_allclose(found.shifts, np.arange(-5, 6) / 10, atol=1e-12)
    expected = slow_curve(a, times, b, times, found.shifts)
    np.testing.assert_allclose(found.distances, expected, atol=1e-9)


def test_order_of_frames_does_not_matter():
    times, order = np.arange(40) / 10.0, np.random.default_rng(0).permutation(40)
    a, b = trajectory(times), trajectory(times - 0.3)
    found = estimate_view_offset(a[order], times[order], b, times)
    assert found.offset == pytest.approx(0.3, abs=0.02)


def test_views_that_tell_nothing():
    times = np.arange(40) / 10.0
    found = estimate_view_offset(np.ones((40, 4)), times, np.ones((40, 4)), times)
    assert found.contrast == found.margin == 0.0
    beyond = estimate_view_offset(
        trajectory(times), times, trajectory(times - 0.8), times, max_offset=0.4
    )
    assert beyond.at_limit


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(max_offset=4.5), r"share 5 frames, and 8 are needed .* lower max_offset=4.5"),
        (dict(max_offset=0.0), "max_offset must be a positive"),
        (dict(embeddings_b=np.ones((50, 3))), "embeddings of 4 and 3 numbers"),
        (dict(times_b=np.zeros(50)), "View b: two frames have the same time"),
        (dict(times_a=np.zeros(49)), r"View a: .* got \(50, 4\) and \(49,\)"),
        (dict(embeddings_a=np.full((50, 4), np.nan)), "View a: .* finite"),
    ],
)
def test_mistakes(changes, message):
    ones, times = np.ones((50, 4)), np.arange(50) / 10
    view = dict(embeddings_a=ones, times_a=times, embeddings_b=ones, times_b=times)
    with pytest.raises(ValueError, match=message):
        estimate_view_offset(**{**view, **changes})
