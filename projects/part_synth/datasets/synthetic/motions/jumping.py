"""Jumps with both feet."""

from __future__ import annotations

import numpy as np

from part_synth.datasets.synthetic.motions.body import (
    ELBOW,
    ELEVATION,
    PITCH,
    PLANE,
    MotionPlan,
    Proportions,
)
from part_synth.datasets.synthetic.motions.curves import Repetitions, ease, plateau
from part_synth.datasets.synthetic.motions.gait import footprints, sway
from part_synth.datasets.synthetic.motions.registry import motion_class

GRAVITY = 9.81
_RELEASE = 2.2  # exponent of the push-off: height lost grows as 1 - (1 - s)^2.2 before take-off


@motion_class(radius=0.6)
def jump(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Jump on the spot, forwards, with a turn, with the knees tucked, or as jumping jacks."""
    sway(plan, rng)
    style = rng.choice(["up", "travel", "tuck", "jack"])
    jack = style == "jack"
    reps = Repetitions(plan.t, rng, (0.8, 1.1) if jack else (1.7, 2.6))
    height = rng.uniform(0.04, 0.08) if jack else rng.uniform(0.10, 0.34)
    rise = reps.pick(height * rng.uniform(0.75, 1.1, reps.count))
    launch = np.sqrt(2.0 * GRAVITY * rise)  # vertical speed at take-off, m/s
    flight = 2.0 * launch / GRAVITY
    duration = reps.pick(reps.duration)
    time = reps.phase * duration
    landing = 0.58 * duration
    takeoff = landing - flight
    air = np.clip((time - takeoff) / flight, 0.0, 1.0)
    plan.airborne = 4.0 * rise * air * (1.0 - air)

    # The crouch ends, and the landing begins, at the speed of the flight: no jerk at the floor.
    deepest = 0.05 if jack else (0.06 + 0.7 * rise) * rng.uniform(0.8, 1.2)
    push = _RELEASE * deepest / launch
    left = np.clip((takeoff - time) / push, 0.0, 1.0)
    sink = np.minimum(0.55, takeoff - push)
    load = ease((time - takeoff + push + sink) / sink) * (1.0 - (1.0 - left) ** _RELEASE)
    yielding = np.minimum(0.75, duration - landing)
    after = np.clip((time - landing) / yielding, 0.0, 1.0)
    bend = deepest * load + launch * yielding * after * (1.0 - after) ** 3
    plan.pelvis_height -= bend / body.leg + 0.01
    plan.pelvis_offset[:, 0] -= 0.35 * bend
    plan.pelvis[:, PITCH] += 95.0 * bend
    plan.spine[:, PITCH] += 45.0 * bend
    plan.neck[:, PITCH] -= 50.0 * bend

    # Both feet leave together: a gait whose swing is exactly the flight.
    duty = 0.8
    stance = duty * (0.5 + 0.5 * time / takeoff)
    landed = 1.0 + 0.5 * duty * (time - landing) / (duration - landing)
    cycle = reps.index + np.where(
        time < takeoff, stance, np.where(time < landing, duty + (1.0 - duty) * air, landed)
    )
    grid = np.arange(reps.count + 2)
    progress = reps.index + ease((time - takeoff + 0.2) / (flight + 0.4))
    travels = style == "travel"
    places = rng.uniform(-0.45, 0.45, (reps.count + 2, 2)) * min(radius, 1.0) * travels
    spins = np.cumsum(rng.choice([0.0, 0.25, -0.25, 0.5], reps.count + 2)) * np.pi * travels
    plan.path = np.stack([np.interp(progress, grid, places[:, i]) for i in range(2)], -1)
    plan.heading = np.interp(progress, grid, spins - spins[0])
    apart = 0.5 - 0.5 * np.cos(np.pi * (reps.index + ease(air)))  # jacks: open, closed, open
    width = 0.18 + (0.45 * apart if jack else 0.08 * rng.random())
    footprints(
        plan, body, cycle, rng=rng, width=width, lift=0.0, duty=duty, offset=0.0, heel_off=45.0,
        roll_start=0.88, scatter=0.005,
    )  # fmt: skip
    plan.swinging[:] = 0.0  # the feet rise with the body
    tuck = rng.uniform(0.15, 0.4) if style == "tuck" else rng.uniform(0.0, 0.1)
    plan.feet[..., 2] += (plan.airborne + tuck * np.sin(np.pi * air) ** 2)[:, None]

    if jack:
        swing = 0.5 - 0.5 * np.cos(np.pi * progress)
        plan.arms[..., ELEVATION] += (rng.uniform(110, 160) * swing)[:, None]
        plan.arms[..., PLANE] -= 12.0
        return
    # Arms back in the crouch, up with the push-off, down after the landing.
    up = plateau(np.clip((time - takeoff + 0.35) / (flight + 1.0), 0.0, 1.0), 0.4, 0.5)
    forward = (up * rng.uniform(30.0, 160.0) - load * rng.uniform(15.0, 55.0))[:, None]
    ahead, beside = forward + 8.0, 12.0 + 0.1 * np.abs(forward)
    plan.arms[..., ELEVATION] = np.hypot(ahead, beside) + 0.3 * plan.arms[..., ELEVATION]
    plan.arms[..., PLANE] = np.rad2deg(np.arctan2(ahead, beside))
    plan.arms[..., ELBOW] += (30.0 * load + rng.uniform(0, 40) * up)[:, None]
