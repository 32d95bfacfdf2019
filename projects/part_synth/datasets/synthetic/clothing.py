"""Dress a rest body: a colour per vertex, and cloth pushed outward along the normals.

Everything is decided in the rest pose, where a vertex's part and place say what it wears, so the
clothes move with the body. Rest frame: metres, x = person's left, y = back, z = up.
"""

from dataclasses import dataclass, replace

import numpy as np

from part_synth.datasets.synthetic.bodies import SEGMENT_NAMES, RestBody
from part_synth.datasets.synthetic.textures import Texture, fabric, random_colour

_SEGMENT = {name: index for index, name in enumerate(SEGMENT_NAMES)}
# From deep brown to pale; people are drawn between neighbours.
_SKIN_TONES = np.array(
    [
        [0.27, 0.16, 0.11],
        [0.42, 0.27, 0.18],
        [0.58, 0.39, 0.27],
        [0.72, 0.52, 0.38],
        [0.84, 0.65, 0.52],
        [0.92, 0.77, 0.67],
    ]
)
_HAIR_COLOURS = np.array(
    [
        [0.06, 0.05, 0.05],
        [0.16, 0.1, 0.07],
        [0.3, 0.19, 0.11],
        [0.5, 0.33, 0.17],
        [0.72, 0.58, 0.34],
        [0.5, 0.2, 0.08],
        [0.62, 0.61, 0.6],
        [0.86, 0.85, 0.83],
    ]
)


@dataclass(frozen=True)
class Person:
    """A dressed body.

    Attributes:
        body: the body with cloth and hair on it; joints, pivots and weights are unchanged.
        colours: (V, 3) albedo in [0, 1].
        description: JSON-able words: skin, hair, clothes.
    """

    body: RestBody
    colours: np.ndarray
    description: dict


def _limb_fraction(body: RestBody, segments: tuple[str, str], start: int, end: int) -> np.ndarray:
    """(V,) place along a limb, 0 at joint ``start`` and 1 at ``end``; NaN off these segments."""
    axis = body.joints[end] - body.joints[start]
    fraction = (body.vertices - body.joints[start]) @ axis / (axis @ axis)
    own = np.isin(body.segments, [_SEGMENT[name] for name in segments])
    return np.where(own, fraction, np.nan)


def _both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(left), right, left)


class _Wardrobe:
    """Places of a body that clothes are cut along, and the canvas they are painted on."""

    def __init__(self, body: RestBody, rng: np.random.Generator):
        self.body, self.rng = body, rng
        part = body.part_labels
        self.torso = part == 2
        self.hands, self.feet = np.isin(part, (5, 8)), np.isin(part, (11, 14))
        self.head = part == 1
        # 0 at the shoulder, 1 at the elbow, 2 at the wrist.
        self.arm = _both(*(self._along_arm(side) for side in ("left", "right")))
        # 0 at the hip, 1 at the knee, 2 at the ankle.
        self.leg = _both(*(self._along_leg(side) for side in ("left", "right")))
        # 0 at the hip joints, 1 at the shoulders.
        z = body.vertices[:, 2]
        hip, shoulder = body.joints[0, 2], body.joints[[11, 14], 2].mean()
        self.height = (z - hip) / (shoulder - hip)
        self.colours = np.zeros((len(z), 3))
        self.thickness = np.zeros(len(z))
        # Around the body or limb, and along it, in metres: the coordinates of the patterns.
        self.around = np.arctan2(body.vertices[:, 0], -body.vertices[:, 1]) * 0.16
        self.around = np.where(self.torso, self.around, body.vertices[:, 1])
        self.along = z.copy()

    def _along_arm(self, side: str) -> np.ndarray:
        s, e, w = (11, 12, 13) if side == "left" else (14, 15, 16)
        upper = _limb_fraction(self.body, (f"{side}_upper_arm", f"{side}_upper_arm"), s, e)
        lower = _limb_fraction(self.body, (f"{side}_forearm", f"{side}_forearm"), e, w)
        return _both(np.clip(upper, 0, 1), 1 + np.clip(lower, 0, 1))

    def _along_leg(self, side: str) -> np.ndarray:
        h, k, a = (4, 5, 6) if side == "left" else (1, 2, 3)
        upper = _limb_fraction(self.body, (f"{side}_thigh", f"{side}_thigh"), h, k)
        lower = _limb_fraction(self.body, (f"{side}_shank", f"{side}_shank"), k, a)
        return _both(np.clip(upper, 0, 1), 1 + np.clip(lower, 0, 1))

    def paint(
        self, where: np.ndarray, what: np.ndarray | Texture, thickness: float | None = None
    ) -> None:
        """Colour the vertices ``where`` (V,) and, if given, set how far cloth stands off (m)."""
        colour = what(self.around[where], self.along[where]) if callable(what) else what
        self.colours[where] = colour
        if thickness is not None:
            self.thickness[where] = thickness


def _skin_and_face(wardrobe: _Wardrobe) -> dict:
    rng, body = wardrobe.rng, wardrobe.body
    tone = rng.uniform(0, len(_SKIN_TONES) - 1)
    low = min(int(tone), len(_SKIN_TONES) - 2)
    skin = _SKIN_TONES[low] + (tone - low) * (_SKIN_TONES[low + 1] - _SKIN_TONES[low])
    skin = np.clip(skin + rng.normal(0, 0.015, 3), 0.05, 1)
    wardrobe.colours[:] = skin
    wardrobe.paint(body.eyes, np.array([0.12, 0.1, 0.1]))
    return {"skin_tone": round(float(tone / (len(_SKIN_TONES) - 1)), 3)}


def _head_place(body: RestBody) -> tuple[np.ndarray, np.ndarray]:
    """(V,) place on the head: front -1 to back +1, and neck 0 (eyes) to crown 1."""
    head = body.segments == _SEGMENT["head"]
    y = body.vertices[head, 1]
    middle, half = 0.5 * (y.min() + y.max()), 0.5 * np.ptp(y)
    eye_level = body.vertices[body.eyes, 2].mean()
    crown = body.vertices[head, 2].max()
    return (
        (body.vertices[:, 1] - middle) / half,
        (body.vertices[:, 2] - eye_level) / (crown - eye_level),
    )


def _hair(wardrobe: _Wardrobe, female: bool) -> dict:
    rng, body = wardrobe.rng, wardrobe.body
    back, up = _head_place(body)
    styles = ["short", "long", "bob", "buzz", "bald", "cap"]
    shares = [0.25, 0.4, 0.2, 0.04, 0.01, 0.1] if female else [0.5, 0.08, 0.06, 0.15, 0.09, 0.12]
    style = str(rng.choice(styles, p=shares))
    colour = np.clip(_HAIR_COLOURS[rng.integers(len(_HAIR_COLOURS))] + rng.normal(0, 0.03, 3), 0, 1)
    # Lowest point of the hair at the back, in units of the height from eyes to crown.
    nape = {"short": -0.5, "buzz": -0.4, "bob": -1.3, "long": rng.uniform(-2.6, -1.8)}
    nape = {**nape, "cap": -0.5, "bald": -0.3}[style]
    hairline = rng.uniform(0.45, 0.65) if style != "bald" else 1.3
    # The border falls from the hairline in front to the nape, past the ears.
    border = np.interp(back, [-1.0, -0.45, 0.05, 0.45, 1.0], [hairline, hairline, -0.1, nape, nape])
    near_head = wardrobe.head | (wardrobe.torso & (back > 0.1) & (up > -3))
    hair = near_head & (up > border) & ~body.eyes
    if style == "bald":
        hair &= up < 0.35
    thickness = {"buzz": 0.003, "bald": 0.003, "short": 0.014, "cap": 0.008}.get(style, 0.022)
    wardrobe.paint(hair, colour, thickness)
    words = {"hair": style}
    if style == "cap":
        cap = wardrobe.head & (up > np.interp(back, [-1, 1], [0.4, 0.1]))
        wardrobe.paint(cap, random_colour(rng, (0.2, 0.95)), 0.018)
    if not female and rng.random() < 0.3:
        jaw = (body.segments == _SEGMENT["head"]) & (up < -0.45) & (back < 0.1)
        wardrobe.paint(jaw, 0.8 * colour + 0.2 * wardrobe.colours[jaw].mean(axis=0), 0.006)
        words["beard"] = True
    return words


def _trousers(wardrobe: _Wardrobe) -> dict:
    rng = wardrobe.rng
    kind = str(rng.choice(["trousers", "shorts", "leggings"], p=[0.6, 0.25, 0.15]))
    hem = {"trousers": rng.uniform(1.85, 1.98), "leggings": 1.92, "shorts": rng.uniform(0.45, 1.05)}
    thickness = {"trousers": 0.014, "leggings": 0.003, "shorts": 0.016}[kind]
    texture, pattern = fabric(rng, sober=True)
    waist = rng.uniform(0.12, 0.28)
    wardrobe.paint(wardrobe.torso & (wardrobe.height < waist), texture, thickness)
    wardrobe.paint(wardrobe.leg <= hem[kind], texture, thickness)
    if rng.random() < 0.2:
        side_seam = (np.abs(wardrobe.body.normals[:, 0]) > 0.9) & (wardrobe.leg <= hem[kind])
        wardrobe.paint(side_seam, random_colour(rng))
    if rng.random() < 0.3:
        belt = wardrobe.torso & (np.abs(wardrobe.height - waist) < 0.04)
        wardrobe.paint(belt, random_colour(rng, (0, 0.5), (0.05, 0.4)), thickness + 0.004)
    return {"bottom": kind, "bottom_pattern": pattern}


def _top(wardrobe: _Wardrobe) -> dict:
    rng, body = wardrobe.rng, wardrobe.body
    kind = str(rng.choice(["t-shirt", "long sleeves", "vest", "jacket"], p=[0.4, 0.32, 0.1, 0.18]))
    sleeve = {"t-shirt": rng.uniform(0.45, 0.95), "vest": -1.0}.get(kind, rng.uniform(1.8, 1.97))
    thickness = {"vest": 0.006, "jacket": 0.02}.get(kind, 0.012)
    texture, pattern = fabric(rng)
    hem = rng.uniform(-0.12, 0.2)
    neckline = rng.uniform(0.98, 1.1) if kind != "vest" else 0.92
    trunk = wardrobe.torso & (wardrobe.height > hem) & (wardrobe.thickness < 0.02)
    arms = wardrobe.arm <= sleeve
    wardrobe.paint(trunk & (wardrobe.height < neckline), texture, thickness)
    if kind != "vest":
        wardrobe.paint(trunk, texture, thickness)
        sleeves = texture if rng.random() < 0.75 else fabric(rng)[0]
        wardrobe.paint(arms, sleeves, thickness)
    front = trunk & (body.normals[:, 1] < -0.2)
    words = {"top": kind, "top_pattern": pattern}
    if kind == "jacket":
        opening = front & (np.abs(body.vertices[:, 0]) < rng.uniform(0.025, 0.07))
        wardrobe.paint(opening, random_colour(rng, (0, 0.5), (0.5, 1.0)), 0.008)
    elif rng.random() < 0.35:
        side = front if rng.random() < 0.75 else trunk & (body.normals[:, 1] > 0.2)
        radius, height = rng.uniform(0.05, 0.1), rng.uniform(0.6, 0.8)
        offset = (wardrobe.height - height) * np.ptp(body.joints[[0, 8], 2])
        logo = side & (np.hypot(body.vertices[:, 0], offset) < radius)
        wardrobe.paint(logo, random_colour(rng, (0.3, 1.0), (0.3, 1.0)))
        words["logo"] = True
    return words


def _shoes_and_hands(wardrobe: _Wardrobe) -> dict:
    rng, body = wardrobe.rng, wardrobe.body
    upper = random_colour(rng, (0.0, 0.9), (0.05, 0.95))
    sole = random_colour(rng, (0.0, 0.2), (0.1, 1.0))
    sock = random_colour(rng, (0.0, 0.4), (0.1, 1.0))
    wardrobe.paint(wardrobe.leg > rng.uniform(1.75, 1.95), sock, 0.004)
    wardrobe.paint(wardrobe.feet, upper, 0.009)
    lowest = body.vertices[:, 2].min()
    wardrobe.paint(wardrobe.feet & (body.vertices[:, 2] < lowest + 0.028), sole, 0.011)
    words = {}
    if rng.random() < 0.06:
        wardrobe.paint(wardrobe.hands, random_colour(rng), 0.005)
        words["gloves"] = True
    return words


def _glare(colours: np.ndarray) -> np.ndarray:
    """RGB (N, 3) in [0, 1] -> the same hues, nearly fully saturated and bright."""
    value = colours.max(1, keepdims=True)
    low = colours.min(1, keepdims=True)
    saturation = (value - low) / np.maximum(value, 1e-6)
    # Grey has no hue: a grey cloth turns red, as HSV has it.
    spread = (colours - low) / np.maximum(value - low, 1e-6)
    spread = np.where(value - low < 1e-6, np.array([1.0, 0.0, 0.0]), spread)
    saturation, value = 0.85 + 0.15 * saturation, 0.8 + 0.2 * value
    return value * (1 - saturation * (1 - spread))


def dress(
    body: RestBody, rng: np.random.Generator, female: bool = False, vivid: bool = False
) -> Person:
    """Skin, hair and clothes for a body, at random.

    Args:
        body: the bare body.
        rng: draws everything that is worn.
        female: changes how often each hair style is drawn.
        vivid: glaring colours for all that is worn; everything else is as without.

    Returns:
        the dressed person.
    """
    wardrobe = _Wardrobe(body, rng)
    description = _skin_and_face(wardrobe)
    # Long hair falls over the top, so it is painted last.
    description |= _shoes_and_hands(wardrobe) | _trousers(wardrobe) | _top(wardrobe)
    description |= _hair(wardrobe, female)
    if vivid:
        worn = (wardrobe.thickness > 0) & ~wardrobe.head
        wardrobe.colours[worn] = _glare(wardrobe.colours[worn])
    moved = body.vertices + wardrobe.thickness[:, None] * body.normals
    return Person(
        body=replace(body, vertices=moved),
        colours=np.clip(wardrobe.colours, 0.02, 0.98),
        description=description,
    )
