"""Colours (RGB): left is orange, right is blue, the centre is grey, in every picture of ours.

Body parts keep the family of their side: left parts are warm, right parts are cool, the torso is
grey and the head green, so that a left-right mistake jumps to the eye.
"""

from __future__ import annotations

import numpy as np

from part_synth.geometry import PART_NAMES, Skeleton

LEFT_COLOUR = (240, 120, 10)
RIGHT_COLOUR = (20, 110, 230)
CENTRE_COLOUR = (110, 110, 110)
GHOST_COLOUR = (195, 195, 195)
BACKGROUND_COLOUR = (255, 255, 255)
FLOOR_COLOUR = (226, 226, 232)
TEXT_COLOUR = (40, 40, 40)

_PART_COLOURS = {
    "background": (0, 0, 0),
    "head": (70, 200, 110),
    "torso": (150, 150, 145),
    "left_upper_arm": (225, 60, 60),
    "left_forearm": (250, 130, 110),
    "left_hand": (255, 190, 170),
    "right_upper_arm": (40, 90, 200),
    "right_forearm": (80, 150, 250),
    "right_hand": (170, 215, 255),
    "left_thigh": (170, 80, 10),
    "left_shank": (235, 140, 30),
    "left_foot": (255, 195, 90),
    "right_thigh": (60, 30, 130),
    "right_shank": (125, 75, 200),
    "right_foot": (190, 155, 245),
}

PART_COLOURS = np.array([_PART_COLOURS[name] for name in PART_NAMES], dtype=np.uint8)
"""(15, 3) uint8 RGB, indexed by part label."""


def limb_colours(skeleton: Skeleton) -> np.ndarray:
    """Colour of each limb, by the side of its outer joint.

    Args:
        skeleton: Its joints are named ``left_...`` and ``right_...``.

    Returns:
        RGB (num_limbs, 3) uint8, in the order of ``skeleton.limbs``.
    """
    return np.array(
        [_side_colour(skeleton.joint_names[child]) for _, child in skeleton.limbs], dtype=np.uint8
    )


def _side_colour(joint: str) -> tuple[int, int, int]:
    if joint.startswith("left"):
        return LEFT_COLOUR
    return RIGHT_COLOUR if joint.startswith("right") else CENTRE_COLOUR
