"""Motions of the whole body on the spot: squat, sit, bend, lunge, kick, stretch, dance."""

from __future__ import annotations

import numpy as np

from part_synth.datasets.synthetic.motions.body import (
    ELBOW,
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
)
from part_synth.datasets.synthetic.motions.gait import (
    STANDING,
    footprints,
    loop_path,
    stand,
    step_out,
    sway,
)
from part_synth.datasets.synthetic.motions.gestures import JITTER, place_feet
from part_synth.datasets.synthetic.motions.registry import motion_class


def _blend_arms(plan: MotionPlan, weight: np.ndarray, pose: np.ndarray) -> None:
    """Move both arms towards a pose (..., 2, 4) by a weight (N,)."""
    plan.arms = plan.arms + weight[:, None, None] * (pose - plan.arms)


@motion_class()
def squat(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Squat and rise, with the arms held out, folded, hanging or behind the head."""
    sway(plan, rng)
    phase = stand(plan, rng, radius, hold=(3.5, 7.0), stride=0.3)
    width, toe_out = rng.uniform(0.25, 0.5), rng.uniform(8.0, 28.0)
    footprints(plan, body, phase, rng=rng, width=width, toe_out=toe_out, **STANDING)
    reps = Repetitions(plan.t, rng, (1.8, 3.6))
    w = plateau(reps.phase, 0.42, 0.42)
    depth = reps.pick(rng.uniform(0.2, 0.56) * rng.uniform(0.75, 1.1, reps.count))
    lean = rng.uniform(35.0, 75.0)
    plan.pelvis_height -= w * depth
    plan.pelvis_offset[:, 0] -= w * depth * 0.38
    plan.pelvis[:, PITCH] += w * depth * lean
    plan.spine[:, PITCH] += w * depth * rng.uniform(0.0, 60.0)
    plan.neck[:, PITCH] -= w * depth * 0.8 * lean
    plan.knee_out += (w * rng.uniform(0.0, 18.0))[:, None]
    options = np.array(
        [[88.0, 85.0, 5.0, 10.0], [70.0, 90.0, 55.0, 110.0], [15.0, 50.0, 10.0, 20.0],
         [95.0, 25.0, -60.0, 140.0], [40.0, 80.0, 30.0, 60.0], [45.0, -5.0, 65.0, 95.0]]
    )  # fmt: skip
    pose = options[rng.integers(len(options))] + rng.standard_normal((2, 4)) * JITTER
    _blend_arms(plan, w if rng.random() < 0.6 else np.full_like(w, 0.9), pose)


@motion_class()
def sit_down_get_up(
    plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float
) -> None:
    """Sit down on a chair or a low box, move the arms there, and get up again."""
    sway(plan, rng)
    # The feet stay where they are, in front of the chair.
    place_feet(
        plan, rng, body, radius, hold=None, ahead=0.2, width=(0.16, 0.45), stagger=(-0.15, 0.15)
    )
    reps = Repetitions(plan.t, rng, (4.0, 9.0), 0.3)
    seconds = rng.uniform(1.0, 1.7)
    share = np.minimum(seconds / reps.pick(reps.duration), 0.45)
    w = ease(reps.phase / share) * ease((0.92 - reps.phase) / share)
    seat = rng.uniform(0.34, 0.52) + 0.08  # hip joint above the seat by about 0.08 m
    drop = 0.992 - (seat - body.ankle_height) / body.leg
    plan.pelvis_height -= w * drop
    plan.pelvis_offset[:, 0] -= w * rng.uniform(0.30, 0.46)
    moving = 4.0 * w * (1.0 - w)
    lean = rng.uniform(16.0, 34.0)
    back = rng.uniform(-18.0, 12.0)  # pelvis while seated: leaning back or upright
    plan.pelvis[:, PITCH] += moving * lean + w * back
    plan.spine[:, PITCH] += 0.5 * moving * lean + w * (rng.uniform(0.0, 30.0) - 0.4 * back)
    plan.neck[:, PITCH] -= 0.8 * moving * lean
    plan.knee_out += (w * rng.uniform(-4.0, 20.0))[:, None]
    seated = np.array(
        [[22.0, 75.0, 10.0, 50.0], [30.0, 65.0, 30.0, 80.0], [20.0, 55.0, 70.0, 105.0],
         [50.0, 75.0, 25.0, 125.0], [20.0, -20.0, 10.0, 30.0], [65.0, 60.0, -10.0, 60.0],
         [140.0, 30.0, -20.0, 110.0], [45.0, 80.0, 20.0, 20.0]]
    )  # fmt: skip
    # Arms change pose while seated: two or three poses a stay, each arm its own or both the same.
    changes = Repetitions(plan.t, rng, (1.5, 3.5), 0.3)
    picks = rng.integers(len(seated), size=(changes.count, 2))
    picks[:, 1] = np.where(rng.random(changes.count) < 0.6, picks[:, 0], picks[:, 1])
    pose = seated[picks] + rng.standard_normal((changes.count, 2, 4)) * JITTER
    following = pose[np.minimum(changes.index + 1, changes.count - 1)]
    u = ease((changes.phase - 0.65) / 0.35)[:, None, None]
    _blend_arms(plan, w, changes.pick(pose) * (1.0 - u) + following * u)
    plan.spine += w[:, None] * noise(plan.t, rng, np.array([5.0, 8.0, 12.0]), 3.0)


@motion_class()
def bend_pick_up(
    plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float
) -> None:
    """Bend or squat to pick something from the floor, then put it on a table, shelf or shoulder."""
    sway(plan, rng)
    place_feet(plan, rng, body, radius, hold=(4.0, 8.0), width=(0.18, 0.45), stagger=(-0.3, 0.3))
    reps = Repetitions(plan.t, rng, (3.0, 5.5))
    down = keyframes(reps.phase, (0.0, 0.30, 0.42, 0.65, 1.0), [0.0, 1.0, 1.0, 0.0, 0.0])
    place = keyframes(reps.phase, (0.0, 0.45, 0.72, 0.85, 1.0), [0.0, 0.0, 1.0, 1.0, 0.0])
    low = reps.pick(rng.uniform(0.08, 0.45, reps.count))
    ahead = reps.pick(rng.uniform(0.28, 0.5, reps.count))
    aside = reps.pick(rng.normal(-0.05, 0.18, reps.count))
    stoop = rng.uniform(0.15, 0.95)  # 0 bends the knees only, 1 the back only
    need = (0.75 - low) / 0.65  # how deep to go
    plan.pelvis[:, PITCH] += down * need * (25.0 + 55.0 * stoop)
    plan.spine[:, PITCH] += down * need * (25.0 + 25.0 * stoop)
    plan.spine[:, YAW] += down * 60.0 * aside
    plan.neck[:, PITCH] -= down * need * rng.uniform(0.0, 30.0)
    plan.pelvis_height -= down * need * (0.10 + 0.42 * (1.0 - stoop))
    plan.pelvis_offset[:, 0] -= down * need * (0.10 + 0.12 * (1.0 - stoop))
    goal = np.stack([ahead, aside, low], -1)
    height = rng.uniform(0.8, 1.75, reps.count)
    level = np.stack(
        [rng.uniform(0.3, 0.5, reps.count), rng.normal(0, 0.2, reps.count), height], -1
    )
    hand = goal + ease(2.2 * (reps.phase - 0.42))[:, None] * (reps.pick(level) - goal)
    both = rng.random() < 0.6
    gap = rng.uniform(0.06, 0.2)
    for side, sign in ((RIGHT, -1.0), (LEFT, 1.0))[: 1 + both]:
        plan.hand_target[:, side] = hand + np.array([0.0, sign * gap * both, 0.0])
        plan.hand_weight[:, side] = np.clip(down + place, 0.0, 1.0)
    if not both:
        rest = np.array([50.0, 70.0, 30.0, 45.0]) + rng.standard_normal(4) * 1.5 * JITTER
        plan.arms[:, LEFT] += down[:, None] * (rest - plan.arms[:, LEFT])
    plan.spine[:, PITCH] -= place * reps.pick(14.0 * np.maximum(height - 1.2, 0.0))
    plan.spine[:, YAW] += place * reps.pick(45.0 * level[:, 1])


@motion_class(radius=0.8, room=0.6)
def lunge(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Step forwards or sideways into a deep lunge and come back."""
    sway(plan, rng)
    sideways = rng.random() < 0.3
    ahead = 0.0 if sideways else -0.2
    place_feet(
        plan, rng, body, radius, width=(0.18, 0.26), stagger=(0.0, 0.0), hold=None, ahead=ahead
    )
    reps = Repetitions(plan.t, rng, (2.0, 3.6))
    far = reps.pick(rng.uniform(0.45, 0.85) * rng.uniform(0.85, 1.1, reps.count)) * body.leg / 0.855
    right = reps.pick(rng.random(reps.count) < 0.6)
    out = plateau(np.clip(reps.phase / 0.95, 0.0, 1.0), 0.38, 0.38)
    for side, active in ((RIGHT, right), (LEFT, ~right)):
        sign = 1.0 if side == LEFT else -1.0
        move = np.stack([far * (not sideways), sign * far * sideways], -1)
        step_out(plan, side, out * active, move, 0.1)
    sink = plateau(np.clip((reps.phase - 0.1) / 0.78, 0.0, 1.0), 0.45, 0.45)
    toward = np.where(right, -1.0, 1.0) if sideways else np.zeros_like(far)
    plan.pelvis_offset += (out * far * 0.55)[:, None] * np.stack([toward == 0.0, toward], -1)
    plan.pelvis_height -= sink * (0.62 * far - 0.04)
    lean = rng.uniform(-5.0, 25.0)
    plan.pelvis[:, PITCH] += sink * (lean + 18.0 * sideways)
    plan.spine[:, PITCH] += sink * rng.uniform(-8.0, 20.0)
    plan.spine[:, YAW] += sink * reps.pick(rng.normal(0.0, 15.0, reps.count))
    if not sideways:  # the heel of the foot left behind rises
        for side, active in ((LEFT, right), (RIGHT, ~right)):
            heel = ease(1.25 * sink - 0.25) * active
            step_out(plan, side, heel, np.tile([0.05, 0.0], (len(sink), 1)), 0.0)
            plan.feet[:, side, 2] += 0.11 * heel
    options = np.array(
        [[45.0, -5.0, 65.0, 95.0], [15.0, 45.0, 10.0, 20.0], [88.0, 5.0, 0.0, 10.0],
         [165.0, 45.0, 0.0, 15.0], [40.0, 85.0, 30.0, 85.0], [85.0, 85.0, 10.0, 12.0]]
    )  # fmt: skip
    pose = options[rng.integers(len(options))] + rng.standard_normal((2, 4)) * JITTER
    _blend_arms(plan, sink, pose)


@motion_class(radius=0.6)
def kick(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Kick to the front or side, strike with the knee, or balance with a leg raised behind."""
    sway(plan, rng)
    place_feet(plan, rng, body, radius, width=(0.16, 0.26), hold=None)
    style = rng.choice(["front", "side", "knee", "balance"])
    slow = style == "balance"
    reps = Repetitions(plan.t, rng, (2.5, 4.5) if slow else (1.3, 2.4))
    # Key poses of the leg: flexion, abduction (degrees), length over leg length.
    rest = [0.0, 4.0, 0.94]
    ready, strike = {
        "front": ([-22.0, 4.0, 0.80], [rng.uniform(35.0, 100.0), 3.0, 0.985]),
        "side": ([60.0, 25.0, 0.62], [rng.uniform(5.0, 40.0), rng.uniform(40.0, 75.0), 0.98]),
        "knee": ([-15.0, 5.0, 0.88], [rng.uniform(70.0, 100.0), 5.0, rng.uniform(0.5, 0.7)]),
        "balance": ([-20.0, 4.0, 0.9], [rng.uniform(-48.0, -30.0), 6.0, rng.uniform(0.75, 0.97)]),
    }[style]
    times = (0.0, 0.2, 0.5, 0.75, 1.0) if slow else (0.0, 0.28, 0.46, 0.66, 1.0)
    pose = keyframes(reps.phase, times, [rest, ready, strike, strike if slow else ready, rest])
    w = keyframes(reps.phase, (0.0, 0.16, 0.78, 0.95, 1.0), [0.0, 1.0, 1.0, 0.0, 0.0])
    right = reps.pick(rng.random(reps.count) < 0.65)
    for side, active in ((RIGHT, right), (LEFT, ~right)):
        plan.leg_pose[:, side] = pose
        plan.leg_weight[:, side] = w * active
    support = np.where(right, 1.0, -1.0)  # side of the standing foot
    plan.pelvis_offset[:, 1] += 0.085 * w * support
    height = (pose[:, 0] / 100.0) * w
    plan.pelvis_height -= 0.03 * w
    plan.pelvis[:, PITCH] -= 18.0 * height if not slow else 75.0 * height
    plan.pelvis[:, ROLL] += (
        (26.0 if style == "side" else 3.0) * w * support * -1.0 * (pose[:, 1] / 50.0)
    )
    plan.pelvis[:, YAW] += 12.0 * w * support * np.sign(pose[:, 0])
    plan.spine[:, PITCH] += 14.0 * np.abs(height)
    plan.spine[:, YAW] -= 18.0 * w * support * np.sign(pose[:, 0])
    options = np.array(
        [[35.0, 55.0, 30.0, 120.0], [70.0, 0.0, 10.0, 35.0], [40.0, 10.0, 10.0, 40.0],
         [85.0, 40.0, 10.0, 25.0]]
    )  # fmt: skip
    arms = options[rng.integers(len(options), size=2)] + rng.standard_normal((2, 4)) * JITTER
    _blend_arms(plan, np.clip(w + 0.3 * rng.random(), 0.0, 1.0), arms)


@motion_class()
def stretch(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Stretch: arms overhead, side bends, twists, toe touches, an arm across the chest."""
    sway(plan, rng)
    place_feet(plan, rng, body, radius, width=(0.2, 0.6), hold=(6.0, 10.0))
    reps = Repetitions(plan.t, rng, (2.4, 4.5))
    up, out = [168.0, 50.0, 0.0, 12.0], [88.0, 0.0, 0.0, 10.0]
    hip, hang = [45.0, -5.0, 65.0, 95.0], [25.0, 75.0, 10.0, 10.0]
    behind_head = [140.0, 10.0, -25.0, 140.0]
    # left arm, right arm, spine (roll, pitch, yaw), pelvis pitch, arms-out beat
    table = [
        (up, up, [0, -14, 0], -4),
        (up, up, [25, 0, 0], 0),
        (up, hip, [28, 2, 0], 0),
        (out, out, [0, 0, 38], 0),
        (out, out, [0, -10, 0], 0),
        (hang, hang, [0, 48, 0], 62),
        (hang, up, [0, 35, 35], 55),
        ([85.0, 115.0, 20.0, 15.0], [60.0, 90.0, 40.0, 120.0], [0, 0, -15], 0),
        (behind_head, behind_head, [0, -8, 0], 0),
        ([60.0, 88.0, 0.0, 8.0], [60.0, 88.0, 0.0, 8.0], [0, 30, 0], 5),
        ([25.0, -50.0, 40.0, 12.0], [25.0, -50.0, 40.0, 12.0], [0, -14, 0], -3),
    ]
    pick = rng.integers(len(table), size=reps.count)
    strength = rng.uniform(0.7, 1.05, reps.count)
    arms = np.array([[row[0], row[1]] for row in table])[pick]
    arms = arms + rng.standard_normal(arms.shape) * JITTER
    flipped = rng.random(reps.count) < 0.5
    arms = np.where(flipped[:, None, None], arms[:, ::-1], arms)
    spine = np.array([row[2] for row in table], float)[pick] * strength[:, None]
    spine[:, [ROLL, YAW]] *= np.where(flipped, -1.0, 1.0)[:, None]
    tilt = np.array([row[3] for row in table], float)[pick] * strength
    w = plateau(reps.phase, 0.4, 0.35)
    _blend_arms(plan, w, reps.pick(arms))
    plan.spine += w[:, None] * reps.pick(spine)
    plan.pelvis[:, PITCH] += w * reps.pick(tilt)
    plan.pelvis_offset[:, 0] -= w * reps.pick(np.maximum(tilt, 0.0) * 0.0022)
    plan.neck[:, PITCH] += w * reps.pick(0.5 * np.minimum(spine[:, PITCH], 0.0))
    if rng.random() < 0.3:  # arm circles
        turns = 2.0 * np.pi * rng.uniform(0.5, 0.9) * plan.t + rng.uniform(0, 2 * np.pi)
        circle = np.stack([90.0 + 60.0 * np.sin(turns), 35.0 + 45.0 * np.cos(turns)], -1)
        plan.arms[..., :2] = circle[:, None]
        plan.arms[..., ELBOW] = rng.uniform(8.0, 40.0)


@motion_class(radius=0.8, room=0.6)
def dance(plan: MotionPlan, rng: np.random.Generator, body: Proportions, radius: float) -> None:
    """Dance to a beat: steps in place, hips, trunk and arms in fixed ratios of the tempo."""
    t = plan.t
    sway(plan, rng)
    beat = rng.uniform(1.5, 2.2) * t + rng.random()  # beats; a gait cycle takes two or four
    speed = loop_path(plan, rng, rng.uniform(0.05, 0.5), radius)
    slow = rng.choice([2.0, 4.0])
    width = 0.24 + rng.uniform(0.0, 0.25) * np.sin(np.pi * beat / slow) ** 2
    plan.heading = plan.heading + noise(t, rng, rng.uniform(0.1, 0.7), 2.5)
    footprints(
        plan, body, beat / slow, rng=rng, width=width, lift=rng.uniform(0.05, 0.28), duty=0.64,
        scatter=rng.uniform(0.02, 0.1), toe_out=rng.uniform(5.0, 25.0),
    )  # fmt: skip

    def harmonics(scale: np.ndarray) -> np.ndarray:
        """Random sum of the beat's sub-multiples, changing slowly: (N, *S)."""
        total = 0.0
        for cycles, weight in ((0.5, 0.8), (0.25, 0.8), (1.0, 0.35)):
            angle = 2.0 * np.pi * (cycles * beat.reshape(-1, *[1] * scale.ndim))
            shift = rng.uniform(0.0, 2.0 * np.pi, scale.shape)
            size = weight * (0.7 + noise(t, rng, np.full(scale.shape, 0.5), 5.0))
            total = total + size * np.sin(angle + shift)
        return total * scale

    groove = 0.5 - 0.5 * np.cos(2.0 * np.pi * beat)
    plan.pelvis_height -= rng.uniform(0.02, 0.10) * groove + rng.uniform(0.02, 0.14)
    plan.pelvis += harmonics(np.array([6.0, 4.0, 9.0]))
    plan.pelvis_offset += harmonics(np.array([0.015, 0.04]))
    plan.spine += harmonics(np.array([8.0, 8.0, 12.0]))
    plan.neck += harmonics(np.array([4.0, 6.0, 6.0]))
    centre = np.array([65.0, 35.0, 10.0, 65.0]) + rng.standard_normal((2, 4)) * [25, 20, 18, 22]
    same = rng.random()
    if same < 0.6:  # both arms alike, in or out of step
        centre[1] = centre[0]
    move = harmonics(np.array([32.0, 24.0, 24.0, 30.0]))
    other = harmonics(np.array([32.0, 24.0, 24.0, 30.0]))
    pair = np.stack([move, move if same < 0.3 else -move if same < 0.6 else other], 1)
    plan.arms = 0.15 * plan.arms + centre + pair + noise(t, rng, np.full((2, 4), 8.0), 3.0)
    plan.neck[:, YAW] += 10.0 * speed * noise(t, rng, 1.0, 3.0)
