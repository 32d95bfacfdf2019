"""Motions that travel on the feet: walk, run, turn."""

from __future__ import annotations

import numpy as np

from part_synth.datasets.synthetic.motions.body import (
    ELBOW,
    ELEVATION,
    LEFT,
    PITCH,
    PLANE,
    RIGHT,
    ROLL,
    YAW,
    MotionPlan,
    Proportions,
)
from part_synth.datasets.synthetic.motions.gait import STANDING, footprints, loop_path, stand, sway
from part_synth.datasets.synthetic.motions.registry import motion_class


def swing_arms(plan: MotionPlan, cycle: np.ndarray, degrees: np.ndarray, elbow: float) -> None:
    """Swing the arms against the legs and turn the shoulders against the pelvis.

    Args:
        plan (MotionPlan): Plan to change.
        cycle (np.ndarray): (N,) gait phase; the left foot lands at whole numbers.
        degrees (np.ndarray): (N,) amplitude of the arm swing.
        elbow (float): Extra elbow flexion at the front of the swing, degrees.
    """
    for side, shift in ((LEFT, 0.5), (RIGHT, 0.0)):
        forward = np.cos(2.0 * np.pi * (cycle - shift - 0.04)) * degrees + 0.1 * degrees
        # Sagittal swing on top of the carriage: angle in the plane "forward", kept smooth through
        # the vertical by adding the two components of the direction.
        elevation = np.deg2rad(plan.arms[:, side, ELEVATION])
        plane = np.deg2rad(plan.arms[:, side, PLANE])
        ahead = np.rad2deg(elevation) * np.sin(plane) + forward
        beside = np.abs(np.rad2deg(elevation) * np.cos(plane)) + 3.0
        plan.arms[:, side, ELEVATION] = np.hypot(ahead, beside)
        plan.arms[:, side, PLANE] = np.rad2deg(np.arctan2(ahead, beside))
        plan.arms[:, side, ELBOW] += elbow * (0.5 + 0.5 * np.cos(2 * np.pi * (cycle - shift - 0.1)))
    wave = np.cos(2.0 * np.pi * (cycle - 0.02))  # left foot ahead: pelvis turned to the right
    plan.pelvis[:, YAW] -= 0.22 * degrees * wave
    plan.spine[:, YAW] += 0.45 * degrees * wave
    plan.neck[:, YAW] -= 0.20 * degrees * wave
    plan.pelvis[:, ROLL] += 3.5 * np.sin(2.0 * np.pi * (cycle - 0.03))
    plan.spine[:, ROLL] -= 3.0 * np.sin(2.0 * np.pi * (cycle - 0.03))


def _phase(plan: MotionPlan, rng: np.random.Generator, rate: np.ndarray) -> np.ndarray:
    """Integrate a cycle rate (N,) 1/s from a random phase."""
    return rng.random() + np.r_[0.0, np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(plan.t))]


@motion_class(radius=1.5, room=1.0)
def walk(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Walk along a curve: strolling to brisk, now and then crouched, backwards or sideways."""
    sway(plan, rng, 0.8)
    style = rng.random()
    sideways, backwards, crouched = style > 0.88, 0.78 < style <= 0.88, 0.64 < style <= 0.78
    wanted = rng.uniform(0.6, 1.7) * (0.35 if sideways else 0.6 if backwards else 1.0)
    speed = loop_path(plan, rng, wanted, radius)
    # Cadence grows with the square root of speed (Grieve 1968): step length / leg about
    # 0.85 at 1.4 m/s.
    step = np.clip(0.62 * np.sqrt(speed / 1.1), 0.25, 0.28 if sideways else 0.70) * body.leg / 0.855
    phase = _phase(plan, rng, speed / (2.0 * step))
    if backwards:
        plan.heading = plan.heading + np.pi
    if sideways:  # short steps, feet apart: no crossing
        plan.heading = plan.heading + 0.5 * np.pi * rng.choice([-1.0, 1.0])
    crouch = rng.uniform(0.08, 0.25) * crouched
    width = 0.38 if sideways else rng.uniform(0.10, 0.18) + 0.06 * backwards
    under = 0.5 if sideways else 0.56 if backwards else 0.41
    lift = rng.uniform(0.04, 0.09) + 0.2 * crouch
    footprints(
        plan,
        body,
        phase,
        rng=rng,
        width=width,
        lift=lift,
        duty=0.61,
        heel_off=50.0,
        under=under,
        scatter=0.012,
    )
    # A compass of straight legs drops by (step / leg)^2 / 8 in double support (phase 0.055) and
    # stands tallest in mid-stance (0.305).
    low = 0.5 - 0.5 * np.cos(4.0 * np.pi * (phase - 0.305))
    plan.pelvis_height -= 0.015 + (step / body.leg) ** 2 / 8.0 * (0.4 + 0.9 * low) + crouch
    plan.pelvis_offset[:, 1] += 0.02 * np.sin(2.0 * np.pi * (phase - 0.05))
    degrees = rng.uniform(10.0, 34.0) * speed / 1.2
    swing_arms(plan, phase, degrees, rng.uniform(5.0, 35.0))
    plan.pelvis[:, PITCH] += 2.0 + 1.5 * speed
    plan.spine[:, PITCH] += 120.0 * crouch
    plan.neck[:, PITCH] -= 80.0 * crouch
    if rng.random() < 0.3:
        _hold_something(plan, rng)


def _hold_something(plan: MotionPlan, rng: np.random.Generator) -> None:
    """Fix one or both arms in a carrying pose while the legs go on."""
    poses = np.array(
        [
            [35.0, 70.0, 35.0, 95.0],  # a tray or a box
            [45.0, -5.0, 65.0, 95.0],  # hands on hips
            [20.0, 60.0, 70.0, 110.0],  # folded
            [35.0, 55.0, 5.0, 140.0],  # at the ear
            [10.0, -40.0, 60.0, 70.0],  # behind the back
        ]
    )
    pose = poses[rng.integers(len(poses))] + rng.standard_normal((2, 4)) * [6.0, 8.0, 8.0, 8.0]
    weight = np.array([rng.random() < 0.5, 1.0])[:, None] * 0.9
    plan.arms = plan.arms + weight * (pose - plan.arms)


@motion_class(radius=2.5, room=1.6)
def run(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Jog or run along a curve, with a flight phase and bent arms."""
    sway(plan, rng, 0.7)
    speed = loop_path(plan, rng, rng.uniform(1.8, 3.6), radius)
    cadence = rng.uniform(1.15, 1.35) + 0.08 * speed  # cycles per second
    phase = _phase(plan, rng, cadence)
    duty = float(np.clip(0.46 - 0.05 * speed.mean(), 0.3, 0.4))
    lift = np.clip(rng.uniform(0.08, 0.18) + 0.07 * speed, 0.1, 0.4)
    footprints(
        plan, body, phase, rng=rng, width=0.10, lift=lift, duty=duty, heel_off=50.0,
        roll_start=0.5, under=0.32, scatter=0.015,
    )  # fmt: skip
    # Lowest in mid-stance (phase duty / 2 of each foot), highest in mid-flight.
    bob = -np.cos(4.0 * np.pi * (phase - 0.5 * duty))
    amplitude = rng.uniform(0.025, 0.04)
    plan.airborne += amplitude * bob
    plan.pelvis_height -= rng.uniform(0.07, 0.11)
    in_flight = np.clip(np.stack([phase, phase - 0.5], 1) % 1.0 - duty, 0.0, None) / (1.0 - duty)
    plan.feet[..., 2] += amplitude * np.sin(np.pi * in_flight) ** 2
    plan.arms[:, :, ELBOW] += rng.uniform(55.0, 85.0)
    swing_arms(plan, phase, (20.0 + 10.0 * speed) * rng.uniform(0.8, 1.2), 15.0)
    plan.pelvis[:, PITCH] += 2.0 + 1.5 * speed
    plan.spine[:, PITCH] += rng.uniform(0.0, 8.0)


@motion_class(radius=0.6)
def turn(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Turn on the spot with steps, looking ahead of the turn, gesturing a little."""
    sway(plan, rng)
    phase = stand(plan, rng, radius, hold=(1.8, 3.0), turn=90.0, stride=0.3)
    footprints(plan, body, phase, rng=rng, width=rng.uniform(0.16, 0.26), lift=0.07, **STANDING)
    rate = np.rad2deg(np.gradient(plan.heading, plan.t))
    lead = np.interp(plan.t + 0.25, plan.t, rate)
    plan.neck[:, YAW] += 0.22 * lead
    plan.head[:, YAW] += 0.15 * lead
    plan.spine[:, YAW] += 0.15 * np.interp(plan.t + 0.12, plan.t, rate)
    # The arms fly outwards with the turn.
    plan.arms[..., ELEVATION] += 0.12 * np.abs(rate)[:, None] + rng.uniform(0.0, 15.0)
    plan.arms[..., ELBOW] += rng.uniform(0.0, 50.0, 2)
