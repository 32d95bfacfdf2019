"""Where the body goes and where the feet are put: paths, stations and footprints.

Symbols: N samples of the time line; sides ordered (left, right). World frame, metres, z up.
A gait phase of 1 is a whole cycle (two steps); the left foot is planted while its phase modulo 1 is
below ``duty`` and travels to its next footprint during the rest.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from part_synth.datasets.synthetic.motions.body import PITCH, SIDES, MotionPlan, Proportions
from part_synth.datasets.synthetic.motions.curves import ease, noise

BALL_OF_FOOT = 0.13  # ankle to the ball of the foot, along the foot, m
# Footsteps of a person who stands and now and then takes a pair of steps: both feet are flat on the
# floor at the phase that `stand` rests at.
STANDING = {"duty": 0.7, "roll_start": 0.75, "scatter": 0.01}


def keep_inside(points: np.ndarray, radius: float) -> np.ndarray:
    """Press points (..., 2) smoothly into a disc about the origin; the inner 90 % stay put."""
    distance = np.linalg.norm(points, axis=-1, keepdims=True)
    inner = 0.9 * radius
    over = np.maximum(distance - inner, 0.0)
    pressed = np.minimum(distance, inner) + (radius - inner) * np.tanh(over / (radius - inner))
    return points * (pressed / np.maximum(distance, 1e-9))


def loop_path(
    plan: MotionPlan, rng: np.random.Generator, speed: float, radius: float
) -> np.ndarray:
    """Put the body on a smooth closed curve inside a disc and let it walk along it.

    Sets ``path`` and ``heading`` of the plan. The curve is a rounded loop or a figure of eight.

    Args:
        plan (MotionPlan): Plan to change.
        rng (np.random.Generator): Shape, start and direction.
        speed (float): Wanted speed, m/s; slowed where the curve turns tightly, so that the body
            turns at no more than about 2.2 rad/s, with a centripetal acceleration below 0.5 g.
        radius (float): The curve stays within this distance of the origin, m.

    Returns:
        np.ndarray: (N,) actual speed, m/s.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, 721)
    if rng.random() < 0.3:  # figure of eight (lemniscate of Gerono, widened)
        points = np.c_[np.cos(angle), rng.uniform(0.8, 1.1) * np.sin(angle) * np.cos(angle)]
    else:
        wobble = rng.uniform(0.0, [0.22, 0.10], 2)
        phase = rng.uniform(0.0, 2.0 * np.pi, 2)
        r = (
            1.0
            + wobble[0] * np.cos(2 * angle + phase[0])
            + wobble[1] * np.cos(3 * angle + phase[1])
        )
        points = np.c_[r * np.cos(angle), r * np.sin(angle)]
    points *= rng.uniform(0.78, 0.88) * radius / np.linalg.norm(points, axis=1).max()
    turn = rng.uniform(0.0, 2.0 * np.pi)
    points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    step = np.diff(points, axis=0)
    length = np.r_[0.0, np.cumsum(np.linalg.norm(step, axis=1))]
    yaw = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    lap = 2.0 * np.pi * np.round((yaw[-1] - yaw[0]) / (2.0 * np.pi))
    middle = 0.5 * (length[1:] + length[:-1])
    # Rhythm of the clip: speed against distance, from the smoothed curvature, then against time.
    curvature = np.abs(np.gradient(yaw, middle))
    curvature = gaussian_filter1d(curvature, 0.4 / (middle[1] - middle[0]), mode="wrap")
    fastest = np.minimum(2.2 / curvature, np.sqrt(0.5 * 9.81 / curvature))
    local = fastest * np.tanh(speed / fastest)
    clock = np.r_[0.0, np.cumsum(np.diff(length) / local)]
    pace = np.exp(noise(plan.t, rng, 0.08, 4.0))
    elapsed = (
        rng.random() * clock[-1]
        + np.r_[0.0, np.cumsum(0.5 * (pace[1:] + pace[:-1]) * np.diff(plan.t))]
    )
    laps, rest = np.divmod(elapsed, clock[-1])
    travelled = np.interp(rest, clock, length)
    plan.path = np.stack([np.interp(travelled, length, points[:, i]) for i in range(2)], -1)
    knots = np.r_[middle[-1] - length[-1], middle, middle[0] + length[-1]]
    yaws = np.r_[yaw[-1] - lap, yaw, yaw[0] + lap]
    plan.heading = np.interp(travelled, knots, yaws) + lap * laps
    return pace * np.interp(travelled, middle, local)


def stand(
    plan: MotionPlan,
    rng: np.random.Generator,
    radius: float,
    hold: tuple[float, float] | None = (2.0, 5.0),
    turn: float = 40.0,
    stride: float = 0.45,
    ahead: float = 0.0,
) -> np.ndarray:
    """Stand at a few places of the disc, with a pair of steps from each to the next.

    Sets ``path`` and ``heading``; returns the gait phases (N, 2) for `footprints`.

    Args:
        plan (MotionPlan): Plan to change.
        rng (np.random.Generator): Places, times, headings.
        radius (float): Disc, m.
        hold (tuple[float, float] | None): Shortest and longest stay, s; None stays for good.
        turn (float): Standard deviation of the change of heading, degrees.
        stride (float): Longest move between two places, m.
        ahead (float): Shift of the first place along the heading, m, for a motion that will lean
            the other way.
    """
    first = rng.uniform(-0.5, 0.5, 2) * radius * (0.5 if ahead else 1.0) + np.array([ahead, 0.0])
    first = keep_inside(first, radius)
    if hold is None:
        plan.path = np.tile(first, (len(plan.t), 1))
        plan.heading = np.zeros(len(plan.t))
        return np.full((len(plan.t), 2), 0.5 * STANDING["duty"])
    span = plan.t[-1] - plan.t[0]
    stays = rng.uniform(*hold, int(span / hold[0]) + 2)
    start = plan.t[0] - rng.random() * stays[0] + np.cumsum(stays)
    places = [first]
    for move in rng.uniform(-1.0, 1.0, (len(start), 2)) * min(stride, radius):
        # Moves out of the disc turn back inwards instead of piling up at its edge.
        here = places[-1]
        places.append(here + (move if np.linalg.norm(here + move) < 0.85 * radius else -0.6 * here))
    change = np.clip(rng.standard_normal(len(start)) * turn, -2 * turn, 2 * turn)
    moves = np.diff(np.array(places), axis=0)
    takes = 1.25 + 0.4 * np.abs(change) / 60.0
    progress = ease((plan.t[:, None] - start) / takes)  # (N, moves)
    plan.path = places[0] + progress @ moves
    plan.heading = progress @ np.deg2rad(change)

    # The foot on the side the body moves or turns to goes first, so that the legs do not cross.
    heading = np.r_[0.0, np.cumsum(np.deg2rad(change))[:-1]]
    leftward = moves[:, 1] * np.cos(heading) - moves[:, 0] * np.sin(heading)
    left_first = leftward + 0.004 * change > 0.0
    pairs = 1.0 + (np.abs(change) > 60.0)  # two pairs of steps when turning far
    moving = np.clip((plan.t[:, None] - start) / takes, 0.0, 1.0) * pairs
    pair = np.minimum(np.floor(moving), pairs - 1.0)
    duty = STANDING["duty"]
    stance = (0.5 * duty, duty, 1.0, 1.0 + 0.5 * duty)
    lead = np.interp(moving - pair, (0.0, 0.22, 0.56, 1.0), stance)
    trail = np.interp(moving - pair, (0.0, 0.56, 0.90, 1.0), stance)
    phases = [np.where(left_first == left, lead, trail) for left in (True, False)]
    return np.stack([(p - 0.5 * duty + pair).sum(1) + 0.5 * duty for p in phases], -1)


def footprints(
    plan: MotionPlan,
    body: Proportions,
    phase: np.ndarray,
    *,
    rng: np.random.Generator,
    width: float | np.ndarray = 0.2,
    stagger: float | np.ndarray = 0.0,
    lift: float | np.ndarray = 0.06,
    duty: float = 0.62,
    toe_out: float = 8.0,
    offset: float = 0.5,
    heel_off: float = 40.0,
    roll_start: float = 0.62,
    under: float = 0.5,
    scatter: float = 0.02,
) -> np.ndarray:
    """Plan the feet: planted footprints along the path, swings between them.

    Sets ``feet``, ``foot_yaw`` and ``swinging``. A footprint lies beside the path where the body
    is half-way (or at ``under``) through its stance. A planted foot keeps its place; towards the
    end of its stance it rolls over the ball, which lifts the ankle and carries it forward (the
    forefoot rocker of Perry 1992).

    Args:
        plan (MotionPlan): Plan with ``path`` and ``heading`` set.
        body (Proportions): Supplies the ankle height.
        phase (np.ndarray): (N,) gait phase of the left foot, the right one follows by ``offset``;
            or (N, 2) phases of both feet. Non-decreasing; constant while standing.
        rng (np.random.Generator): Scatter and toe-out of this clip.
        width (float | np.ndarray): Distance between the feet, m; scalar or (N,).
        stagger (float | np.ndarray): How far the left foot stands ahead of the right, m.
        lift (float | np.ndarray): Height of the swing, m; scalar or (N,).
        duty (float): Fraction of the cycle a foot is planted; below 0.5 is running.
        toe_out (float): Outward turn of the feet, degrees.
        offset (float): Phase of the right foot against the left: 0.5 walks, 0 hops.
        heel_off (float): Rise of the heel before toe-off, degrees.
        roll_start (float): Fraction of the stance after which the heel begins to rise.
        under (float): Fraction of the stance at which the body passes over the footprint.
        scatter (float): Standard deviation of footprint positions, m.

    Returns:
        np.ndarray: (N, 2) True while a foot is planted flat.
    """
    t = plan.t
    width, stagger, lift = (np.broadcast_to(v, t.shape) for v in (width, stagger, lift))
    if phase.ndim == 1:
        phase = np.stack([phase, phase - offset], -1)
    phase = phase + 1e-9 * np.arange(len(t))[:, None]  # strictly increasing: it has an inverse
    planted = np.zeros((len(t), 2), bool)
    toe = toe_out + 4.0 * rng.standard_normal(2)
    for side in range(2):
        own = phase[:, side]
        number = np.floor(own).astype(int)
        fraction = own - number
        steps = np.arange(number[0], number[-1] + 2)
        landed = np.interp(steps, own, t, left=t[0], right=t[-1])
        lifted = np.interp(steps + duty, own, t, left=t[0], right=t[-1])
        at = landed + under * (lifted - landed)
        yaw = np.interp(at, t, plan.heading)
        beside = 0.5 * SIDES[side] * np.interp(at, t, width)
        ahead = 0.5 * SIDES[side] * np.interp(at, t, stagger)
        prints = np.stack([np.interp(at, t, plan.path[:, i]) for i in range(2)], -1)
        prints[:, 0] += ahead * np.cos(yaw) - beside * np.sin(yaw)
        prints[:, 1] += ahead * np.sin(yaw) + beside * np.cos(yaw)
        prints += scatter * rng.standard_normal(prints.shape)
        yaw = yaw + SIDES[side] * np.deg2rad(toe[side])

        k = number - number[0]
        swing = np.clip((fraction - duty) / (1.0 - duty), 0.0, 1.0)
        moved = ease(swing**1.15)[:, None]
        place = prints[k] + moved * (prints[k + 1] - prints[k])
        plan.foot_yaw[:, side] = yaw[k] + moved[:, 0] * (yaw[k + 1] - yaw[k])
        # The heel goes on rising into the swing, so that the foot does not stop at toe-off.
        # No roll and no lift for a foot that comes down where it was.
        stepped = np.linalg.norm(prints[k + 1] - prints[k], axis=1)
        stepped = np.clip(stepped / 0.25 + np.abs(yaw[k + 1] - yaw[k]), 0.25, 1.0)
        roll = ease((fraction / duty - roll_start) / (1.15 - roll_start)) * (
            1.0 - ease(swing / 0.75)
        )
        roll = np.deg2rad(heel_off) * roll * stepped
        # Highest early in the swing, when the heel follows the push-off.
        rise = lift * swing**2 * (1.0 - swing) ** 3 / 0.03456 * (0.4 + 0.6 * stepped)
        # Ankle about the ball of the foot.
        radius = np.hypot(BALL_OF_FOOT, body.ankle_height)
        rest = np.arctan2(body.ankle_height, BALL_OF_FOOT)
        forward = BALL_OF_FOOT - radius * np.cos(rest + roll)
        direction = np.stack([np.cos(plan.foot_yaw[:, side]), np.sin(plan.foot_yaw[:, side])], -1)
        plan.feet[:, side, :2] = place + forward[:, None] * direction
        plan.swinging[:, side] = 6.75 * swing**2 * (1.0 - swing)
        plan.feet[:, side, 2] = radius * np.sin(rest + roll) + rise
        planted[:, side] = (fraction < duty) & (roll < 1e-3)
    return planted


def sway(plan: MotionPlan, rng: np.random.Generator, scale: float = 1.0) -> None:
    """Add the small movements of quiet standing and a posture to a plan.

    Args:
        plan (MotionPlan): Plan to change.
        rng (np.random.Generator): Draws.
        scale (float): Strength, 1 for relaxed standing.
    """
    t = plan.t
    plan.pelvis_offset += noise(t, rng, np.array([0.010, 0.022]) * scale, 2.5)
    plan.pelvis_height += np.minimum(noise(t, rng, 0.006 * scale, 2.0), 0.01)
    plan.pelvis += noise(t, rng, np.array([1.5, 2.0, 4.0]) * scale, 2.5)
    plan.spine += noise(t, rng, np.array([2.0, 3.0, 4.0]) * scale, 2.0)
    plan.spine[:, PITCH] += rng.normal(4.0, 6.0)  # slouch
    plan.neck += noise(t, rng, np.array([2.5, 3.5, 8.0]) * scale, 2.0)
    plan.neck[:, PITCH] += rng.normal(4.0, 6.0)
    plan.head += noise(t, rng, np.array([3.0, 5.0, 9.0]) * scale, 1.6)
    plan.head[:, PITCH] += rng.normal(2.0, 6.0)
    # Carriage: one draw a clip for both arms, a little of its own for each, and slow changes.
    carriage = np.array([4.0, 18.0, 14.0, 10.0])
    plan.arms += carriage * (rng.standard_normal(4) * 0.8 + rng.standard_normal((2, 4)) * 0.4)
    plan.arms += noise(t, rng, np.full((2, 4), 1.0) * [2.5, 8.0, 7.0, 6.0] * scale, 2.2)


def step_out(
    plan: MotionPlan, side: int, amount: np.ndarray, move: np.ndarray, lift: float
) -> None:
    """Take one foot out of its footprint and back.

    Args:
        plan (MotionPlan): Plan with footprints.
        side (int): 0 left, 1 right.
        amount (np.ndarray): (N,) 0 at the footprint, 1 at the far end; rests at both.
        move (np.ndarray): (N, 2) the far end from the footprint, heading frame, m.
        lift (float): Height of the step half way, m.
    """
    cos, sin = np.cos(plan.heading), np.sin(plan.heading)
    world = np.stack([cos * move[:, 0] - sin * move[:, 1], sin * move[:, 0] + cos * move[:, 1]], -1)
    plan.feet[:, side, :2] += amount[:, None] * world
    plan.feet[:, side, 2] += lift * 4.0 * amount * (1.0 - amount)
