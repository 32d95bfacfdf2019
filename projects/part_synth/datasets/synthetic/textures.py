"""Procedural colour patterns for clothes, floors and walls.

A texture is a function of two coordinates in metres that returns RGB in [0, 1]; it is drawn from
a random generator once, so two draws practically never give the same pattern.
"""

import colorsys
from collections.abc import Callable

import numpy as np

Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]


def random_colour(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.1, 0.8),
    value: tuple[float, float] = (0.15, 0.95),
) -> np.ndarray:
    """(3,) RGB in [0, 1] of random hue."""
    return np.array(
        colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    )


def value_noise(rng: np.random.Generator, octaves: int = 3) -> Callable:
    """Smooth noise in [0, 1] with features of one unit and, per octave, half of it."""
    table = rng.random((octaves, 32, 32))

    def lattice(layer: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        fu, fv = u - i, v - j
        fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
        i0, j0, i1, j1 = i % 32, j % 32, (i + 1) % 32, (j + 1) % 32
        low = layer[i0, j0] * (1 - fu) + layer[i1, j0] * fu
        high = layer[i0, j1] * (1 - fu) + layer[i1, j1] * fu
        return low * (1 - fv) + high * fv

    def noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        total, weight = np.zeros(np.broadcast(u, v).shape), 0.0
        for octave in range(octaves):
            share = 0.5**octave
            total += share * lattice(table[octave], u * 2**octave, v * 2**octave)
            weight += share
        return total / weight

    return noise


def _mix(weight: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """RGB: ``first`` where ``weight`` is 0, ``second`` where it is 1."""
    return first + np.asarray(weight, dtype=np.float64)[..., None] * (second - first)


def _with_grain(texture: Texture, rng: np.random.Generator, scale: float, depth: float) -> Texture:
    """Multiply by smooth noise of wavelength ``scale`` metres and relative depth ``depth``."""
    noise = value_noise(rng)
    return lambda u, v: (
        texture(u, v) * (1 + depth * (2 * noise(u / scale, v / scale) - 1))[..., None]
    )


def _plain(first: np.ndarray) -> Texture:
    return lambda u, v: np.broadcast_to(first, (*np.broadcast(u, v).shape, 3))


def _stripes(first: np.ndarray, second: np.ndarray, period: float, duty: float) -> Texture:
    """Stripes across v."""
    return lambda u, v: _mix((v / period) % 1.0 < duty, first, second)


def _checks(first: np.ndarray, second: np.ndarray, period: float) -> Texture:
    def texture(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        across = ((u / period) % 1.0 < 0.5).astype(float) + ((v / period) % 1.0 < 0.5)
        return _mix(across / 2, first, second)

    return texture


def _blotches(first: np.ndarray, second: np.ndarray, scale: float, noise: Callable) -> Texture:
    return lambda u, v: _mix(noise(u / scale, v / scale) > 0.5, first, second)


def _gradient(first: np.ndarray, second: np.ndarray, length: float) -> Texture:
    return lambda u, v: _mix(np.clip(v / length + 0.5, 0, 1), first, second)


def fabric(rng: np.random.Generator, sober: bool = False) -> tuple[Texture, str]:
    """A cloth pattern over (around the limb, along the body) in metres, and its name.

    Args:
        rng: draws the pattern.
        sober: plain and muted, as most trousers are.
    """
    saturation, value = ((0.05, 0.55), (0.1, 0.8)) if sober else ((0.1, 0.95), (0.2, 1.0))
    first, second = (random_colour(rng, saturation, value) for _ in range(2))
    shares = (
        {"plain": 0.7, "blotches": 0.1, "vertical stripes": 0.1, "checks": 0.1}
        if sober
        else {
            "plain": 0.32,
            "horizontal stripes": 0.2,
            "vertical stripes": 0.1,
            "checks": 0.13,
            "blotches": 0.12,
            "gradient": 0.13,
        }
    )
    name = str(rng.choice(list(shares), p=list(shares.values())))
    period = rng.uniform(0.05, 0.16)
    if name == "plain":
        texture = _plain(first)
    elif name == "horizontal stripes":
        texture = _stripes(first, second, period, rng.uniform(0.3, 0.6))
    elif name == "vertical stripes":
        stripes = _stripes(first, second, period, rng.uniform(0.3, 0.6))
        texture = lambda u, v: stripes(v, u)  # noqa: E731 - a pattern turned by 90 degrees
    elif name == "checks":
        texture = _checks(first, second, period)
    elif name == "blotches":
        texture = _blotches(first, second, 0.5 * period, value_noise(rng, 2))
    else:
        texture = _gradient(first, second, rng.uniform(0.3, 0.8))
    return _with_grain(texture, rng, 0.05, 0.08), name


def floor_texture(rng: np.random.Generator) -> tuple[Texture, str]:
    """Planks, tiles, carpet or concrete over (x, y) in metres, and its name."""
    name = str(rng.choice(["planks", "tiles", "carpet", "concrete"]))
    noise = value_noise(rng)
    if name == "planks":
        wood = np.array([0.55, 0.38, 0.22]) * rng.uniform(0.45, 1.5)
        wood = np.clip(wood + rng.uniform(-0.06, 0.06, 3), 0.05, 0.95)
        width, tones = rng.uniform(0.09, 0.22), rng.uniform(0.78, 1.15, 64)

        def texture(u: np.ndarray, v: np.ndarray) -> np.ndarray:
            plank = np.floor(v / width).astype(np.int64)
            end = np.floor((u + 0.73 * plank) / 1.3).astype(np.int64)
            tone = tones[(plank * 7 + end * 13) % 64]
            tone = tone * (0.88 + 0.24 * noise(u / 0.5, v / 0.03))
            tone = np.where((v / width) % 1.0 < 0.07, 0.6 * tone, tone)
            return tone[..., None] * wood

        return texture, name
    if name == "tiles":
        first = random_colour(rng, (0.0, 0.25), (0.35, 0.75))
        second = np.clip(first * rng.uniform(0.45, 1.4), 0.05, 0.95)
        period = rng.uniform(0.5, 1.1)
        checks = _checks(first, second, period)
        joints = lambda u, v: np.minimum((u / period * 2) % 1, (v / period * 2) % 1) < 0.05  # noqa: E731
        return _with_grain(
            lambda u, v: _mix(joints(u, v), checks(u, v), np.full(3, 0.3)), rng, 0.4, 0.08
        ), name
    if name == "carpet":
        first, second = (random_colour(rng, (0.1, 0.6), (0.2, 0.75)) for _ in range(2))
        return _with_grain(
            _blotches(first, 0.5 * (first + second), rng.uniform(0.1, 0.5), noise), rng, 0.04, 0.2
        ), name
    return _with_grain(_plain(random_colour(rng, (0.0, 0.12), (0.35, 0.7))), rng, 0.7, 0.25), name


def wall_texture(rng: np.random.Generator) -> tuple[Texture, str]:
    """Paint, wallpaper, panels or bricks over (along, height) in metres, and its name."""
    name = str(rng.choice(["paint", "two-tone paint", "wallpaper", "panels", "bricks"]))
    first = random_colour(rng, (0.0, 0.5), (0.35, 0.95))
    second = random_colour(rng, (0.05, 0.6), (0.2, 0.9))
    if name == "paint":
        return _with_grain(_plain(first), rng, 1.2, 0.1), name
    if name == "two-tone paint":
        border = rng.uniform(0.7, 1.4)
        return _with_grain(lambda u, v: _mix(v < border, first, second), rng, 1.2, 0.1), name
    if name == "wallpaper":
        near = 0.65 * first + 0.35 * second
        period = rng.uniform(0.15, 0.45)
        stripes = _stripes(first, near, period, 0.5)
        return _with_grain(lambda u, v: stripes(v, u), rng, 0.3, 0.06), name
    if name == "panels":
        width = rng.uniform(0.5, 1.2)
        return _with_grain(
            lambda u, v: _mix((u / width) % 1 < 0.03, first, 0.5 * first), rng, 0.5, 0.1
        ), name
    brick = np.array([0.55, 0.3, 0.24]) * rng.uniform(0.6, 1.4) + rng.uniform(-0.05, 0.05, 3)
    tones = rng.uniform(0.75, 1.2, 64)

    def bricks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        row = np.floor(v / 0.12).astype(np.int64)
        along = u / 0.3 + 0.5 * (row % 2)
        tone = tones[(row * 11 + np.floor(along).astype(np.int64) * 5) % 64]
        joint = ((v / 0.12) % 1 < 0.12) | (along % 1 < 0.06)
        return _mix(joint, np.clip(tone[..., None] * brick, 0, 1), np.full(3, 0.62))

    return bricks, name
