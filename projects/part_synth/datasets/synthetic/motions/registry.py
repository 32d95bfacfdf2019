"""Table of motion classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from part_synth.datasets.synthetic.motions.body import MotionPlan, Proportions

PlanFunction = Callable[[MotionPlan, np.random.Generator, Proportions, float], None]


@dataclass(frozen=True)
class MotionClass:
    """A motion class: how to fill a plan, and the room the motion likes to have.

    Attributes:
        fill: ``fill(plan, rng, body, radius)`` writes the curves of the plan, inside a disc of that
            radius (m) about the origin, for a right-handed person.
        radius: Disc in which the motion looks its best, m.
        room: Smallest disc in which it can be made with feet that stay where they are put, m. In
            a smaller one the motion is made in a disc of this size and drawn in to the middle.
    """

    fill: PlanFunction
    radius: float
    room: float


CLASSES: dict[str, MotionClass] = {}


def motion_class(radius: float = 0.5, room: float = 0.4) -> Callable[[PlanFunction], PlanFunction]:
    """Register a plan function under its own name; see `MotionClass` for the arguments."""

    def register(fill: PlanFunction) -> PlanFunction:
        CLASSES[fill.__name__] = MotionClass(fill, radius, room)
        return fill

    return register
