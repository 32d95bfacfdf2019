import numpy as np
import pytest
from part_synth.datasets.frame_windows import frame_windows


def slow_windows(video, time, num_frames, interval):
    """Frame by frame, among the frames of the same video; of two equally near the earlier."""
    windows = []
    for own, now in zip(video, time, strict=True):
        rows = np.flatnonzero(video == own)
        rows = rows[np.argsort(time[rows], kind="stable")]
        wanted = now + interval * (np.arange(num_frames) - (num_frames - 1) // 2)
        windows.append([rows[np.abs(time[rows] - moment).argmin()] for moment in wanted])
    return np.array(windows)


@pytest.mark.parametrize("num_frames", [1, 2, 5])
@pytest.mark.parametrize("interval", [1.0, 2.5])
def test_is_the_nearest_frame_of_the_same_video(num_frames, interval):
    rng = np.random.default_rng(num_frames)
    video = rng.integers(0, 4, 60)
    # Gaps, and a video of one frame; whole numbers, so that halves are exact.
    time = rng.permutation(200)[:60]
    video = np.append(video, 9)
    time = np.append(time, 3)
    windows = frame_windows(video, time, num_frames, interval)
    assert windows.dtype == np.int64
    np.testing.assert_array_equal(windows, slow_windows(video, time, num_frames, interval))
    np.testing.assert_array_equal(windows[:, (num_frames - 1) // 2], np.arange(61))


def test_nothing_gives_nothing():
    assert frame_windows(np.zeros(0), np.zeros(0), 3, 1.0).shape == (0, 3)
