"""Procedural human motion: smooth articulated motion in many classes and styles.

`make_motion` draws one clip. A class is a function that writes angle curves, footprints and wrist
goals into a `MotionPlan`; `solve` turns the plan into joints (forward kinematics for trunk and
arms, two-bone inverse kinematics for legs and wrist goals). To add a class, write a function
decorated with ``@motion_class()`` in `locomotion`, `whole_body` or `gestures`.
"""

from __future__ import annotations

import numpy as np

from part_synth.datasets.synthetic.motions import gestures, jumping, locomotion, whole_body
from part_synth.datasets.synthetic.motions.body import MotionPlan, Proportions, solve
from part_synth.datasets.synthetic.motions.gait import keep_inside
from part_synth.datasets.synthetic.motions.registry import CLASSES, MotionClass, motion_class

__all__ = [
    "MOTION_CLASSES",
    "gestures",
    "jumping",
    "locomotion",
    "make_motion",
    "motion_class",
    "preferred_radius",
    "whole_body",
]

MOTION_CLASSES: tuple[str, ...] = tuple(CLASSES)
_PLAN_RATE = 100.0  # samples of a plan per second; curves hold nothing faster than a few Hz
_MARGIN = 1.0  # the plan reaches this far beyond the clip at both ends, s
_FLIP = [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13]


def preferred_radius(action: str) -> float:
    """Radius of the disc (m) in which a class looks its best; walking and running want room."""
    return _lookup(action).radius


def make_motion(
    action: str,
    rng: np.random.Generator,
    num_frames: int,
    fps: float,
    centre: tuple[float, float] = (0.0, 0.0),
    radius: float = 0.5,
    heading: float | None = None,
) -> np.ndarray:
    """Draw one motion clip of a random person in a random style, handedness, speed and phase.

    Args:
        action (str): One of `MOTION_CLASSES`.
        rng (np.random.Generator): All randomness comes from here: same state, same clip.
        num_frames (int): T, at least 1.
        fps (float): Frames per second. The same draw at another rate over the same duration is the
            same motion, sampled otherwise.
        centre (tuple[float, float]): Centre of the disc the person stays in, world x and y, m.
        radius (float): The pelvis stays within this distance of the centre, m; at least 0.1. In
            a disc too small for its strides a walk or run goes as on a treadmill: natural poses,
            but the feet slide on the floor. `preferred_radius` gives enough room.
        heading (float | None): World yaw the person faces at first (0: along +x; the turns of the
            class come on top), rad. Random if None.

    Returns:
        np.ndarray: (T, 17, 3) float64, Human3.6M joint order, world frame with z up and the floor
        at z = 0, metres. A foot joint is the ankle: about 0.085 above the floor in stance.

    Raises:
        ValueError: Unknown class, or a frame count, rate or radius out of range.
    """
    motion = _lookup(action)
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}.")
    if not radius >= 0.1:
        raise ValueError(f"radius must be at least 0.1 m, got {radius}.")
    duration = num_frames / fps
    yaw = rng.uniform(-np.pi, np.pi)  # drawn even when given, so that the rest does not change
    mirrored = rng.random() < 0.5
    body = Proportions.random(rng)
    samples = int(np.ceil((duration + 2.0 * _MARGIN) * _PLAN_RATE)) + 1
    plan = MotionPlan(np.arange(samples) / _PLAN_RATE - _MARGIN)
    room = max(radius, motion.room)
    motion.fill(plan, rng, body, room)
    joints = solve(plan.sample(np.arange(num_frames) / fps), body)

    # Whole frames are shifted where the pelvis would leave the disc: drawn in to the middle if the
    # disc is too small for the class, pressed in at the edge (a deep lean there) otherwise.
    pelvis = joints[:, 0, :2]
    inside = keep_inside(pelvis * (radius / room), radius)
    joints[..., :2] += (inside - pelvis)[:, None]
    start = float(np.interp(0.0, plan.t, plan.heading))
    if mirrored:
        joints = joints[:, _FLIP] * [1.0, -1.0, 1.0]
        start = -start
    turn = (yaw if heading is None else heading) - start
    cos, sin = np.cos(turn), np.sin(turn)
    joints[..., :2] = joints[..., :2] @ np.array([[cos, sin], [-sin, cos]])
    joints[..., :2] += np.asarray(centre, dtype=np.float64)
    return joints


def _lookup(action: str) -> MotionClass:
    if action not in CLASSES:
        raise ValueError(f"Unknown motion class {action!r}; choose one of {sorted(CLASSES)}.")
    return CLASSES[action]
