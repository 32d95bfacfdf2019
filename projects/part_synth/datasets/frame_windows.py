"""Which frames of a video a sample of several frames is made of.

Symbols: N frames of all videos, T frames of a sample.
"""

from __future__ import annotations

import numpy as np


def frame_windows(
    video: np.ndarray, time: np.ndarray, num_frames: int, interval: float
) -> np.ndarray:
    """The frames around each frame, an interval apart: the nearest that its video has.

    Beyond the ends of a video its first or last frame is taken again. Of an even number of frames
    the one before the centre counts as the middle.

    Args:
        video: (N,) number of each frame's video, in any order.
        time: (N,) its time, any unit.
        num_frames: T.
        interval: From one frame of a window to the next, in the unit of ``time``.

    Returns:
        (N, T) int64, rows of the input; row i is the window with frame i in the middle,
        ``(T - 1) // 2``.
    """
    if not len(video):
        return np.empty((0, num_frames), dtype=np.int64)
    order = np.lexsort((time, video))
    time, track = time[order].astype(np.float64), video[order]
    first = np.flatnonzero(np.concatenate([[True], track[1:] != track[:-1]]))
    last = np.concatenate([first[1:], [len(track)]]) - 1
    track = np.repeat(np.arange(len(first)), last - first + 1)
    # One clock for all videos, with pauses longer than any window between them.
    pause = 10.0 * interval * (num_frames + 1)
    starts = np.cumsum(np.concatenate([[0.0], (time[last] - time[first])[:-1] + pause]))
    clock = time - time[first][track] + starts[track]
    wanted = clock[:, None] + interval * (np.arange(num_frames) - (num_frames - 1) // 2)
    right = np.searchsorted(clock, wanted).clip(0, len(clock) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(wanted - clock[left] <= clock[right] - wanted, left, right)
    nearest = nearest.clip(first[track][:, None], last[track][:, None])
    windows = np.empty_like(nearest)
    windows[order] = order[nearest]
    return windows.astype(np.int64)
