"""Puppets of two forearms, placed by hand in crop coordinates."""

import torch
from part_synth.geometry import PART_NAMES
from part_synth.models import Capsule, load_puppet
from tiny_part_synth import joint

ARMS = (
    Capsule("left_forearm", "left_elbow", "left_wrist", 0.12, 0.06),
    Capsule("right_forearm", "right_elbow", "right_wrist", 0.10, 0.10),
)
LEFT, RIGHT = PART_NAMES.index("left_forearm"), PART_NAMES.index("right_forearm")


def place(dtype=torch.float64, **ends):
    """Points (1, E, 2) and depths (1, E) with joint=(x, y, depth); all others at the origin."""
    points = torch.zeros(1, len(load_puppet().joint_names), 2, dtype=dtype)
    depths = torch.zeros(1, len(load_puppet().joint_names), dtype=dtype)
    for name, (x, y, z) in ends.items():
        points[0, joint(name)] = torch.tensor([x, y], dtype=dtype)
        depths[0, joint(name)] = z
    return points, depths


def cross(left_depth, right_depth, **changes):
    """A horizontal left and a vertical right forearm that cross in the middle."""
    return place(
        **{
            "left_elbow": (-0.6, 0.0, left_depth),
            "left_wrist": (0.6, 0.0, left_depth),
            "right_elbow": (0.0, -0.6, right_depth),
            "right_wrist": (0.0, 0.6, right_depth),
            **changes,
        }
    )


def one(value, dtype=torch.float64):
    return torch.tensor([value], dtype=dtype)
