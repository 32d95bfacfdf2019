"""Motions of the arms of a standing person: reach, wave, box, throw and so on."""

from __future__ import annotations

import numpy as np

from part_synth.datasets.synthetic.motions.body import (
    LEFT,
    PITCH,
    RIGHT,
    ROLL,
    YAW,
    MotionPlan,
    Proportions,
)
from part_synth.datasets.synthetic.motions.curves import (
    Repetitions,
    ease,
    keyframes,
    noise,
    plateau,
    wander,
)
from part_synth.datasets.synthetic.motions.gait import STANDING, footprints, stand, step_out, sway
from part_synth.datasets.synthetic.motions.registry import motion_class

JITTER = np.array([7.0, 10.0, 10.0, 9.0])  # degrees, spread of a repeated arm pose
# Idle poses of an arm that has nothing to do (elevation, plane, internal rotation, elbow).
IDLE = np.array(
    [
        [9.0, 20.0, 10.0, 16.0],
        [9.0, 20.0, 10.0, 16.0],
        [45.0, -5.0, 65.0, 95.0],  # hand on the hip
        [20.0, 60.0, 70.0, 105.0],  # across the belly
        [25.0, 65.0, 15.0, 85.0],  # forearm level
        [14.0, -40.0, 60.0, 60.0],  # behind the back
    ]
)


def idle_arm(plan: MotionPlan, rng: np.random.Generator, side: int) -> None:
    """Give one arm an idle pose, changed every few seconds."""
    reps = Repetitions(plan.t, rng, (3.0, 7.0), 0.3)
    pose = IDLE[rng.integers(len(IDLE))] + rng.standard_normal((reps.count, 4)) * JITTER
    w = plateau(reps.phase, 0.2, 0.2)[:, None]
    neutral = plan.arms[:, side]
    plan.arms[:, side] = neutral + w * (reps.pick(pose) - neutral)


def place_feet(
    plan: MotionPlan,
    rng: np.random.Generator,
    body: Proportions,
    radius: float,
    width: tuple[float, float] = (0.14, 0.34),
    stagger: tuple[float, float] = (-0.12, 0.12),
    **standing,
) -> None:
    """Let the person stand with a random stance, shifting place now and then."""
    phase = stand(plan, rng, radius, **standing)
    footprints(
        plan, body, phase, rng=rng, width=rng.uniform(*width), stagger=rng.uniform(*stagger),
        lift=0.06, **STANDING,
    )  # fmt: skip
    bend = abs(rng.normal(0.0, 0.02))
    plan.pelvis_height -= bend


@motion_class()
def reach(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Reach for points around the body, high and low, leaning and twisting after the hand."""
    t = plan.t
    sway(plan, rng)
    place_feet(plan, rng, body, radius)
    both = rng.random() < 0.3
    idle_arm(plan, rng, LEFT)
    reps = Repetitions(t, rng, (1.6, 3.0))
    arm = body.upper_arm + body.forearm
    azimuth = rng.uniform(-70.0, 40.0, reps.count)  # negative: to the right of the right shoulder
    rise = rng.uniform(-55.0, 75.0, reps.count)
    far = rng.uniform(0.75, 1.15, reps.count) * arm
    shoulder = body.ankle_height + body.leg + body.lumbar + body.thoracic
    a, r = np.deg2rad(azimuth), np.deg2rad(rise)
    goal = np.stack(
        [
            far * np.cos(r) * np.cos(a) + 0.05,
            far * np.cos(r) * np.sin(a) - body.clavicle,
            shoulder + far * np.sin(r),
        ],
        -1,
    )
    w = plateau(reps.phase, 0.42, 0.38)
    plan.hand_target[:, RIGHT] = reps.pick(goal)
    plan.hand_weight[:, RIGHT] = w
    # Swivel of the elbow while the hand is held by its goal.
    pose = np.array([40.0, 50.0, 20.0, 60.0]) + rng.standard_normal((reps.count, 4)) * 2 * JITTER
    plan.arms[:, RIGHT] += w[:, None] * (reps.pick(pose) - plan.arms[:, RIGHT])
    if both:
        mirrored = goal * [1.0, -1.0, 1.0] + [0.0, 0.0, 0.0]
        mirrored[:, 1] = np.where(azimuth > -25.0, goal[:, 1] + 0.25, mirrored[:, 1])
        plan.hand_target[:, LEFT] = reps.pick(mirrored)
        plan.hand_weight[:, LEFT] = w
    plan.spine[:, YAW] += w * reps.pick(0.35 * azimuth + (0.0 if both else 12.0))
    plan.spine[:, PITCH] += w * reps.pick(
        np.clip(-0.3 * rise, -10.0, 22.0) + 20.0 * (far / arm - 0.8)
    )
    plan.pelvis[:, PITCH] += w * reps.pick(np.clip(-0.25 * rise, 0.0, 18.0))
    plan.pelvis[:, YAW] += w * reps.pick(0.2 * azimuth)
    plan.spine[:, ROLL] += w * reps.pick(np.clip(-0.15 * azimuth, -5.0, 10.0))
    plan.pelvis_offset += w[:, None] * reps.pick(0.08 * np.stack([np.cos(a), np.sin(a)], -1))
    plan.pelvis_height -= w * reps.pick(np.clip(-0.0022 * rise, 0.0, 0.12))
    plan.neck[:, YAW] += w * reps.pick(0.3 * azimuth)
    plan.neck[:, PITCH] += w * reps.pick(np.clip(-0.4 * rise, -25.0, 15.0))


@motion_class()
def wave(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Raise a hand (or both) and wave it."""
    t = plan.t
    sway(plan, rng)
    place_feet(plan, rng, body, radius)
    idle_arm(plan, rng, LEFT)
    reps = Repetitions(t, rng, (2.6, 4.5))
    w = plateau(reps.phase, 0.2, 0.2)[:, None]
    options = np.array(
        [[80.0, 10.0, -60.0, 85.0], [120.0, 25.0, -30.0, 55.0], [160.0, 40.0, 0.0, 25.0],
         [60.0, 60.0, -20.0, 110.0], [85.0, 5.0, 0.0, 20.0]]
    )  # fmt: skip
    beat = np.sin(2.0 * np.pi * (rng.uniform(1.0, 2.2) * t + rng.random()))[:, None]
    swing = np.array([12.0, 0.0, 26.0, 14.0]) * rng.uniform(0.6, 1.3)
    for side in (RIGHT, LEFT)[: 2 if rng.random() < 0.3 else 1]:
        pose = reps.choice(rng, options, JITTER) + beat * swing
        plan.arms[:, side] += w * (pose - plan.arms[:, side])
    plan.spine[:, ROLL] += w[:, 0] * (3.0 * beat[:, 0] - 4.0)
    plan.spine[:, YAW] += w[:, 0] * rng.normal(0.0, 8.0)


@motion_class()
def random_reach(
    plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float
) -> None:
    """Move both arms smoothly through their whole range while trunk and knees follow."""
    t = plan.t
    sway(plan, rng, 1.5)
    place_feet(plan, rng, body, radius, width=(0.15, 0.55), stagger=(-0.35, 0.35))
    period = rng.uniform(1.8, 3.2)
    low = np.array([5.0, -20.0, -25.0, 5.0])
    high = np.array([160.0, 100.0, 55.0, 130.0])
    plan.arms = wander(t, rng, np.tile(low, (2, 1)), np.tile(high, (2, 1)), period)
    plan.spine += noise(t, rng, np.array([8.0, 11.0, 15.0]), 2.5)
    plan.pelvis += noise(t, rng, np.array([4.0, 9.0, 10.0]), 2.5)
    plan.pelvis_height -= wander(t, rng, 0.0, rng.uniform(0.05, 0.4), 2.8)
    plan.pelvis_offset += noise(t, rng, np.array([0.03, 0.06]), 3.0)
    plan.neck += noise(t, rng, np.array([5.0, 8.0, 14.0]), 1.8)


@motion_class()
def box(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Shadow-box: guard, jabs, crosses, hooks and uppercuts with bouncing knees."""
    t = plan.t
    sway(plan, rng)
    place_feet(
        plan, rng, body, radius, width=(0.22, 0.36), stagger=(0.2, 0.42), hold=(1.5, 3.0),
        turn=25.0, stride=0.25,
    )  # fmt: skip
    reps = Repetitions(t, rng, (0.55, 1.0), 0.3)
    guard = np.array([28.0, 55.0, 20.0, 130.0]) + rng.standard_normal((2, 4)) * [8, 12, 10, 8]
    plan.arms = guard + noise(t, rng, np.full((2, 4), 5.0), 1.2)
    punches = np.array(
        [[84.0, 88.0, 45.0, 8.0], [95.0, 80.0, 30.0, 8.0], [82.0, 70.0, 75.0, 90.0],
         [58.0, 92.0, -15.0, 105.0], [55.0, 85.0, 30.0, 20.0]]
    )  # fmt: skip
    punch = reps.choice(rng, punches, 0.7 * JITTER)
    right = reps.pick(rng.random(reps.count) < 0.55)
    thrown = reps.pick(rng.random(reps.count) < 0.85)
    w = plateau(reps.phase, 0.38, 0.5) * thrown
    for side, active in ((RIGHT, right), (LEFT, ~right)):
        plan.arms[:, side] += (w * active)[:, None] * (punch - plan.arms[:, side])
    sign = np.where(right, 1.0, -1.0)
    turn = rng.uniform(15.0, 32.0)
    plan.spine[:, YAW] += turn * (w * sign) - 12.0
    plan.pelvis[:, YAW] += 0.5 * turn * (w * sign) - 12.0
    plan.neck[:, YAW] -= 0.9 * turn * w * sign - 16.0
    plan.pelvis_offset[:, 0] += 0.05 * w
    duck = plateau(reps.phase, 0.4, 0.4) * reps.pick(rng.random(reps.count) < 0.2)
    plan.pelvis_height -= 0.05 + 0.03 * np.sin(2.0 * np.pi * 1.6 * t) ** 2 + 0.2 * duck
    plan.spine[:, PITCH] += 8.0 + 18.0 * duck
    plan.spine[:, ROLL] += 14.0 * duck * sign


@motion_class(radius=0.6)
def throw(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Throw overarm, underarm, from the side, or with both hands, striding into it."""
    sway(plan, rng)
    place_feet(
        plan, rng, body, radius, width=(0.2, 0.34), stagger=(0.0, 0.15), hold=None, ahead=-0.1
    )
    reps = Repetitions(plan.t, rng, (1.9, 3.4))
    style = rng.choice(["over", "under", "side", "both"])
    # Wind-up, release and follow-through of the right arm; twist and bend of the trunk at each.
    keys = {
        "over": (
            [98.0, -20.0, -68.0, 100.0],
            [125.0, 50.0, -10.0, 25.0],
            [50.0, 112.0, 40.0, 20.0],
        ),
        "under": ([52.0, -55.0, 0.0, 12.0], [45.0, 88.0, 0.0, 12.0], [100.0, 88.0, 0.0, 25.0]),
        "side": ([70.0, -45.0, -30.0, 40.0], [78.0, 60.0, 0.0, 15.0], [75.0, 115.0, 30.0, 45.0]),
        "both": ([160.0, 60.0, 10.0, 105.0], [150.0, 75.0, 0.0, 15.0], [65.0, 90.0, 0.0, 10.0]),
    }[style]
    twist = 0.0 if style == "both" else rng.uniform(20.0, 38.0)
    trunk = np.array([[0.0, -8.0, -twist], [0.0, 6.0, 0.5 * twist], [0.0, 26.0, twist]])
    times = (0.0, 0.38, 0.52, 0.64, 1.0)
    size = reps.pick(rng.uniform(0.75, 1.05, reps.count))[:, None]
    keys = np.array(keys) + rng.standard_normal((3, 4)) * 0.8 * JITTER
    w = keyframes(reps.phase, (0.0, 0.22, 0.70, 0.97, 1.0), [0.0, 1.0, 1.0, 0.0, 0.0])[:, None]
    pose = keyframes(reps.phase, times, [keys[0], keys[0], keys[1], keys[2], keys[2]])
    plan.arms[:, RIGHT] += w * size * (pose - plan.arms[:, RIGHT])
    if style == "both":
        plan.arms[:, LEFT] += w * size * (pose - plan.arms[:, LEFT])
    else:
        aim = np.array([72.0, 75.0, 10.0, 25.0]) + rng.standard_normal(4) * 1.5 * JITTER
        tuck = np.array([25.0, 40.0, 30.0, 90.0]) + rng.standard_normal(4) * JITTER
        left = keyframes(reps.phase, (0.0, 0.36, 0.58, 1.0), [aim, aim, tuck, tuck])
        plan.arms[:, LEFT] += w * (left - plan.arms[:, LEFT])
    bend = (
        size
        * w
        * keyframes(reps.phase, times, np.array([0, 1, 1, 1, 0])[:, None] * trunk[[0, 0, 1, 2, 2]])
    )
    plan.spine += bend
    plan.pelvis += 0.6 * bend
    plan.neck[:, YAW] -= 1.2 * bend[:, YAW]
    stride = np.clip(rng.normal(0.25, 0.15), 0.0, 0.5)
    out = plateau(np.clip((reps.phase - 0.12) / 0.84, 0.0, 1.0), 0.32, 0.3)
    step_out(plan, LEFT, out, np.tile([stride, 0.0], (len(plan.t), 1)), 0.12)
    shift = keyframes(
        reps.phase, (0.0, 0.2, 0.6, 0.78, 1.0), [0.0, -0.05, 0.65 * stride, 0.5 * stride, 0.0]
    )
    plan.pelvis_offset[:, 0] += shift
    plan.pelvis_height -= 0.16 * stride * out


@motion_class()
def drink(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Drink, eat, telephone or read from a hand-held screen, with an idle other hand."""
    sway(plan, rng)
    place_feet(plan, rng, body, radius)
    idle_arm(plan, rng, LEFT)
    reps = Repetitions(plan.t, rng, (2.4, 5.0), 0.3)
    options = np.array(
        [[42.0, 62.0, 38.0, 132.0], [62.0, 62.0, 45.0, 128.0], [38.0, 38.0, 8.0, 143.0],
         [30.0, 72.0, 30.0, 105.0], [55.0, 80.0, 25.0, 95.0]]
    )  # fmt: skip
    held = np.array([24.0, 55.0, 25.0, 92.0]) + rng.standard_normal(4) * JITTER
    idle = plan.arms[:, RIGHT]
    base = idle + 0.95 * (rng.random() < 0.6) * (held - idle)
    which = rng.integers(len(options), size=reps.count)
    pose = reps.pick(options[which] + rng.standard_normal((reps.count, 4)) * 0.7 * JITTER)
    w = plateau(reps.phase, 0.28, 0.28)
    plan.arms[:, RIGHT] = base + w[:, None] * (pose - base)
    if rng.random() < 0.3:
        plan.arms[:, LEFT] += w[:, None] * 0.9 * (pose - plan.arms[:, LEFT])
    # Head back to drink, down to read.
    plan.neck[:, PITCH] += w * reps.pick(np.array([-8.0, -16.0, 2.0, 20.0, 14.0])[which])
    plan.neck[:, ROLL] += w * reps.pick(np.array([0.0, 0.0, 8.0, 0.0, 0.0])[which])


@motion_class()
def talk(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Gesture while talking: point, show sizes, shrug, beat time, hands on hips between."""
    t = plan.t
    sway(plan, rng, 1.3)
    place_feet(plan, rng, body, radius)
    reps = Repetitions(t, rng, (1.2, 2.6), 0.35)
    options = np.array(
        [[28.0, 55.0, 5.0, 85.0], [40.0, 40.0, -25.0, 90.0], [60.0, 75.0, 5.0, 35.0],
         [35.0, 70.0, 35.0, 95.0], [50.0, 20.0, -30.0, 60.0], [85.0, 60.0, 0.0, 25.0],
         [20.0, 30.0, -10.0, 70.0], [60.0, 45.0, -30.0, 110.0], [45.0, -5.0, 65.0, 95.0]]
    )  # fmt: skip
    pick = rng.integers(len(options), size=(reps.count, 2))
    pick[:, 1] = np.where(rng.random(reps.count) < 0.5, pick[:, 0], pick[:, 1])
    pose = options[pick] + rng.standard_normal((reps.count, 2, 4)) * JITTER
    used = rng.random((reps.count, 2)) < [0.65, 0.9]
    following = np.minimum(reps.index + 1, reps.count - 1)
    u = ease((reps.phase - 0.55) / 0.45)
    mix = u[:, None, None]
    target = reps.pick(pose) * (1.0 - mix) + pose[following] * mix
    weight = reps.pick(used) * (1.0 - u[:, None]) + used[following] * u[:, None]
    beats = noise(t, rng, np.full((2, 4), 1.0) * [7.0, 10.0, 12.0, 12.0], 0.7)
    plan.arms += weight[..., None] * (target + beats - plan.arms)
    plan.spine[:, YAW] += noise(t, rng, 8.0, 3.0)
    plan.neck += noise(t, rng, np.array([5.0, 6.0, 14.0]), 1.2)
