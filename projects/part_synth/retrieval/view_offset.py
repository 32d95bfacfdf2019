"""How far two views of one scene are out of step, told from their embeddings.

Symbols: A and B frames of the two views, D numbers of an embedding, S shifts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from part_synth.retrieval.neighbours import ArrayLike


@dataclass
class ViewOffset:
    """The shift at which two views agree best, and how clearly.

    Attributes:
        offset: Seconds by which view b lags: what a shows at t, b shows at t + offset.
        shifts: (S,) seconds that were tried, increasing, 0 among them.
        distances: (S,) mean distance of the embeddings at each shift.
        interval: Seconds from frame to frame, of the slower view.
    """

    offset: float
    shifts: np.ndarray
    distances: np.ndarray
    interval: float

    @property
    def margin(self) -> float:
        """How much nearer the views are than without a shift, from 0 (no nearer) to 1."""
        at_zero = self.distances[np.abs(self.shifts).argmin()]
        return float(1.0 - self.distances.min() / at_zero) if at_zero > 0 else 0.0

    @property
    def contrast(self) -> float:
        """How deep the minimum is, from 0 (a flat curve, which tells nothing) to 1."""
        usual = float(np.median(self.distances))
        return float(1.0 - self.distances.min() / usual) if usual > 0 else 0.0

    @property
    def at_limit(self) -> bool:
        """Whether the best shift is the largest that was tried: the true one may be larger."""
        return int(self.distances.argmin()) in (0, len(self.shifts) - 1)


def estimate_view_offset(
    embeddings_a: ArrayLike,
    times_a: ArrayLike,
    embeddings_b: ArrayLike,
    times_b: ArrayLike,
    max_offset: float = 1.0,
    min_frames: int = 8,
) -> ViewOffset:
    """Seconds by which view b lags behind view a.

    Every shift compares the frames of a with those of b, interpolated in time, over the time that
    both show. Shifts are a frame of the faster view apart, and a parabola through the best shift
    and its neighbours gives the fraction. A periodic motion fits again after each period: keep
    ``max_offset`` below half of it, or use clips that are not periodic.

    Args:
        embeddings_a: (A, D).
        times_a: (A,) seconds, any order.
        embeddings_b: (B, D).
        times_b: (B,) seconds, any order.
        max_offset: Largest shift in seconds, either way.
        min_frames: Frames of a that b must cover at every shift.

    Returns:
        ViewOffset: The best shift.

    Raises:
        ValueError: Shapes do not fit, numbers are not finite, times repeat, or the views share too
            little time.
    """
    a, time_a = _checked(embeddings_a, times_a, "a")
    b, time_b = _checked(embeddings_b, times_b, "b")
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"The views have embeddings of {a.shape[1]} and {b.shape[1]} numbers: embed both with "
            "one model."
        )
    if not (np.isfinite(max_offset) and max_offset > 0):
        raise ValueError(f"max_offset must be a positive number of seconds, got {max_offset}.")
    intervals = [float(np.median(np.diff(time))) for time in (time_a, time_b)]
    # Of the faster view: every shift then mixes frames alike, and none looks nearer by smoothing.
    step = min(intervals)
    half = max(1, int(max_offset / step + 1e-6))
    shifts = step * np.arange(-half, half + 1)
    distances, shared = _distance_curve(a, time_a, b, time_b, shifts)
    if shared.min() < min_frames:
        raise ValueError(
            f"At a shift of {shifts[shared.argmin()]:.3g} s the views share {shared.min()} frames, "
            f"and {min_frames} are needed (view a lasts {np.ptp(time_a):.3g} s, view b "
            f"{np.ptp(time_b):.3g} s). Give longer clips, or lower max_offset={max_offset:g}."
        )
    best = int(distances.argmin())
    offset = shifts[best] + step * _fraction(distances, best)
    return ViewOffset(float(offset), shifts, distances, max(intervals))


def _distance_curve(
    a: np.ndarray, time_a: np.ndarray, b: np.ndarray, time_b: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance (S,) at each shift, and the number of frames (S,) it was taken over."""
    wanted = time_a + shifts[:, None]
    after = np.clip(np.searchsorted(time_b, wanted), 1, len(time_b) - 1)
    before = after - 1
    span = time_b[after] - time_b[before]
    weight = (wanted - time_b[before]) / span
    # Half a frame beyond the ends counts as the end: clocks do not tick together.
    inside = (wanted >= time_b[0] - 0.5 * span) & (wanted <= time_b[-1] + 0.5 * span)
    weight = weight.clip(0.0, 1.0)
    # |a - (1 - w) b0 - w b1|^2 from products alone: S x A x D numbers would fill the memory.
    product = a @ b.T
    squared_b = (b * b).sum(1)
    neighbours = (b[:-1] * b[1:]).sum(1)
    row = np.arange(len(a))
    mixed = (1 - weight) ** 2 * squared_b[before] + weight**2 * squared_b[after]
    mixed += 2 * weight * (1 - weight) * neighbours[before]
    crossed = (1 - weight) * product[row, before] + weight * product[row, after]
    distance = np.sqrt(np.maximum((a * a).sum(1) + mixed - 2 * crossed, 0.0))
    shared = inside.sum(1)
    return np.where(inside, distance, 0.0).sum(1) / np.maximum(shared, 1), shared


def _fraction(values: np.ndarray, best: int) -> float:
    """Place of the lowest point of a parabola through three values, in steps from the middle."""
    if not 0 < best < len(values) - 1:
        return 0.0
    left, middle, right = values[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(0.5 * (left - right) / bend) if bend > 0 else 0.0


def _checked(embeddings: ArrayLike, times: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (M, D) and times (M,) in float64, in the order of time."""
    embeddings = np.asarray(embeddings, dtype=np.float64)
    times = np.asarray(times, dtype=np.float64)
    if embeddings.ndim != 2 or times.shape != embeddings.shape[:1] or len(times) < 2:
        raise ValueError(
            f"View {name}: embeddings must be (M, D) and times (M,) with M > 1, got "
            f"{embeddings.shape} and {times.shape}."
        )
    if not (np.isfinite(embeddings).all() and np.isfinite(times).all()):
        raise ValueError(f"View {name}: embeddings and times must be finite numbers.")
    order = times.argsort(kind="stable")
    embeddings, times = embeddings[order], times[order]
    if (np.diff(times) <= 0).any():
        raise ValueError(f"View {name}: two frames have the same time; give one clip at a time.")
    return embeddings, times
