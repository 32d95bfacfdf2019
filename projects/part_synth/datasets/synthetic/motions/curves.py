"""Smooth curves of time, the material of every procedural motion.

Symbols: N samples of a time line ``t`` (N,) in seconds. Every curve is a function of time alone
once its random numbers are drawn, so the same motion can be sampled at any rate.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator


def ease(u: np.ndarray) -> np.ndarray:
    """Minimum-jerk step from 0 at ``u <= 0`` to 1 at ``u >= 1`` (Flash & Hogan 1985).

    Args:
        u (np.ndarray): Any shape, dimensionless.

    Returns:
        np.ndarray: Same shape, in [0, 1], with two continuous derivatives.
    """
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def plateau(u: np.ndarray, rise: float, fall: float) -> np.ndarray:
    """Pulse 0 -> 1 -> 0 over ``u`` in [0, 1]: up during ``rise``, down during the last ``fall``."""
    return ease(u / rise) * ease((1.0 - u) / fall)


def noise(
    t: np.ndarray, rng: np.random.Generator, scale: float | np.ndarray, period: float = 2.0
) -> np.ndarray:
    """Band-limited random curve: a cubic spline through independent normal knots.

    Args:
        t (np.ndarray): (N,) time, s.
        rng (np.random.Generator): Source of the knots.
        scale (float | np.ndarray): Standard deviation at the knots, in the unit of the curve; an
            array of shape S gives one independent curve per element.
        period (float): Shortest period in the curve, s; knots lie half a period apart.

    Returns:
        np.ndarray: (N, *S), in the unit of ``scale``.
    """
    scale = np.asarray(scale, dtype=np.float64)
    step = period / 2.0
    knots = np.arange(t[0] - step * (1.0 + rng.random()), t[-1] + 2.0 * step, step)
    values = np.clip(rng.standard_normal((len(knots), *scale.shape)), -2.2, 2.2) * scale
    return CubicSpline(knots, values)(t)


def wander(
    t: np.ndarray,
    rng: np.random.Generator,
    low: float | np.ndarray,
    high: float | np.ndarray,
    period: float = 2.0,
) -> np.ndarray:
    """Random curve that stays within [low, high] and visits all of it.

    Knots are uniform in the range and joined without overshoot.

    Args:
        t (np.ndarray): (N,) time, s.
        rng (np.random.Generator): Source of the knots.
        low (float | np.ndarray): Lower bound, shape S.
        high (float | np.ndarray): Upper bound, shape S.
        period (float): Shortest period, s.

    Returns:
        np.ndarray: (N, *S).
    """
    low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    step = period / 2.0
    knots = np.arange(t[0] - step * (1.0 + rng.random()), t[-1] + 2.0 * step, step)
    values = rng.uniform(low, high, (len(knots), *low.shape))
    return PchipInterpolator(knots, values)(t)


def keyframes(u: np.ndarray, times: tuple[float, ...], values: np.ndarray) -> np.ndarray:
    """Monotone cubic curve through key values (no overshoot, flat outside the first and last).

    Args:
        u (np.ndarray): (N,) time or phase.
        times (tuple[float, ...]): (M,) increasing key times in the unit of ``u``.
        values (np.ndarray): (M, *S) key values.

    Returns:
        np.ndarray: (N, *S).
    """
    return PchipInterpolator(times, np.asarray(values, float))(np.clip(u, times[0], times[-1]))


class Repetitions:
    """A row of repetitions of one action along the time line, each with its own length.

    Attributes:
        index (np.ndarray): (N,) number of the repetition each sample lies in.
        phase (np.ndarray): (N,) position inside the repetition, in [0, 1).
        duration (np.ndarray): (M,) length of each repetition, s.
        count (int): M.

    Args:
        t (np.ndarray): (N,) time, s.
        rng (np.random.Generator): Source of lengths and of the first repetition's phase.
        period (tuple[float, float]): Shortest and longest mean repetition, s.
        jitter (float): Relative spread of the lengths inside one clip.
    """

    def __init__(
        self,
        t: np.ndarray,
        rng: np.random.Generator,
        period: tuple[float, float],
        jitter: float = 0.15,
    ) -> None:
        mean = rng.uniform(*period)
        count = int(np.ceil((t[-1] - t[0]) / (mean * (1.0 - jitter)))) + 2
        self.duration = mean * rng.uniform(1.0 - jitter, 1.0 + jitter, count)
        self.count = count
        self.edges = t[0] - rng.random() * mean + np.r_[0.0, np.cumsum(self.duration)]
        self.index = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, count - 1)
        self.phase = np.clip((t - self.edges[self.index]) / self.duration[self.index], 0.0, 1.0)

    def pick(self, values: np.ndarray) -> np.ndarray:
        """Spread per-repetition values (M, *S) over the samples: (N, *S)."""
        return np.asarray(values)[self.index]

    def choice(
        self, rng: np.random.Generator, options: np.ndarray, jitter: float | np.ndarray = 0.0
    ) -> np.ndarray:
        """Draw one of the options (P, *S) for each repetition, with normal jitter: (N, *S)."""
        options = np.asarray(options, float)
        drawn = options[rng.integers(len(options), size=self.count)]
        return self.pick(drawn + rng.standard_normal(drawn.shape) * jitter)
