"""From a motion plan (angles, footprints, targets) to joint positions.

Symbols: N time samples, sides ordered (left, right). World frame: metres, z up; a heading of 0
looks along +x, and the person's left is then +y. Local frames have x forward, y left, z up. Angles
of a plan are in degrees, written as rotation vectors (roll: bending to the right, pitch: leaning
forward, yaw: turning left) about the local x, y, z axes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import logsumexp

SIDES = np.array([1.0, -1.0])  # sign of the local y axis for the left and the right side
ROLL, PITCH, YAW = 0, 1, 2
LEFT, RIGHT = 0, 1
# Arm channels: elevation from hanging; plane (0 sideways, 90 forward, 120 across the chest);
# internal rotation about the upper arm; elbow flexion.
ELEVATION, PLANE, INTERNAL, ELBOW = 0, 1, 2, 3

# Limits of the arm channels (low, high) in degrees: AAOS normal ranges of motion (shoulder
# abduction and flexion 180, extension 60, internal rotation 70-90, elbow flexion 150).
ARM_LIMITS = np.array([[2.0, 172.0], [-55.0, 125.0], [-70.0, 95.0], [4.0, 145.0]])
KNEE_MAX = 145.0  # degrees of flexion, AAOS
# Flexion, lateral bend and rotation of the whole thoracolumbar spine, AAOS (80, 35, 45).
SPINE_LIMITS = np.array([[-35.0, 35.0], [-25.0, 65.0], [-45.0, 45.0]])
HEAD_LIMITS = np.array([[-35.0, 35.0], [-45.0, 40.0], [-65.0, 65.0]])


@dataclass(frozen=True)
class Proportions:
    """Bone lengths of one person, metres. Defaults: an adult of about 1.7 m."""

    hip: float = 0.105
    thigh: float = 0.43
    shank: float = 0.425
    lumbar: float = 0.215
    thoracic: float = 0.265
    neck: float = 0.125
    head: float = 0.11
    clavicle: float = 0.165
    upper_arm: float = 0.28
    forearm: float = 0.25
    ankle_height: float = 0.085

    @property
    def leg(self) -> float:
        """Length of the straight leg from hip to ankle, metres."""
        return self.thigh + self.shank

    @classmethod
    def random(cls, rng: np.random.Generator) -> Proportions:
        """Draw a person: stature +-6 %, limb against trunk and each bone a few percent."""
        scale = 1.0 + np.clip(0.05 * rng.standard_normal(), -0.12, 0.12)
        limbs = 1.0 + np.clip(0.02 * rng.standard_normal(), -0.05, 0.05)
        each = 1.0 + np.clip(0.03 * rng.standard_normal(len(fields(cls))), -0.07, 0.07)
        limb_bones = {"thigh", "shank", "upper_arm", "forearm"}
        return cls(
            **{
                f.name: f.default * scale * e * (limbs if f.name in limb_bones else 1.0)
                for f, e in zip(fields(cls), each, strict=True)
            }
        )


@dataclass
class MotionPlan:
    """Curves that describe a motion; every array has the N samples of ``t`` first.

    Attributes:
        t: (N,) time, s.
        path: (N, 2) position the body stands or walks along, world, m.
        heading: (N,) world yaw the body faces, rad.
        pelvis_offset: (N, 2) pelvis from the path, heading frame (forward, left), m.
        pelvis_height: (N,) hip height above the ankles over the leg length; lowered wherever a
            planted foot would be out of reach.
        airborne: (N,) lift of the whole body in a jump or running flight, m.
        pelvis, spine, neck, head: (N, 3) rotation vectors, degrees; pelvis relative to the heading
            frame, each other one relative to its parent.
        arms: (N, 2, 4) arm channels in degrees.
        hand_target, hand_weight: (N, 2, 3) wrist goal in the heading frame (origin on the floor at
            ``path``), m, and (N, 2) how far it replaces the angle-driven wrist, in [0, 1].
        feet: (N, 2, 3) ankle goals, world, m.
        foot_yaw: (N, 2) world yaw of the feet, rad (the knees point there).
        swinging: (N, 2) 0 while a foot is planted, 1 in mid-swing, when it need not be reached.
        leg_pose, leg_weight: (N, 2, 3) flexion and abduction of the line hip-ankle (degrees) and
            its length over the leg length; (N, 2) how far it replaces the footprint.
        knee_out: (N, 2) degrees by which a knee points outwards of its foot.
    """

    t: np.ndarray
    path: np.ndarray = field(init=False)
    heading: np.ndarray = field(init=False)
    pelvis_offset: np.ndarray = field(init=False)
    pelvis_height: np.ndarray = field(init=False)
    airborne: np.ndarray = field(init=False)
    pelvis: np.ndarray = field(init=False)
    spine: np.ndarray = field(init=False)
    neck: np.ndarray = field(init=False)
    head: np.ndarray = field(init=False)
    arms: np.ndarray = field(init=False)
    hand_target: np.ndarray = field(init=False)
    hand_weight: np.ndarray = field(init=False)
    feet: np.ndarray = field(init=False)
    foot_yaw: np.ndarray = field(init=False)
    swinging: np.ndarray = field(init=False)
    leg_pose: np.ndarray = field(init=False)
    leg_weight: np.ndarray = field(init=False)
    knee_out: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.t)
        self.path, self.heading = np.zeros((n, 2)), np.zeros(n)
        self.pelvis_offset, self.pelvis_height = np.zeros((n, 2)), np.full(n, 0.992)
        self.airborne = np.zeros(n)
        self.pelvis, self.spine, self.neck, self.head = (np.zeros((n, 3)) for _ in range(4))
        self.arms = np.zeros((n, 2, 4)) + np.array([9.0, 20.0, 10.0, 16.0])
        self.hand_target, self.hand_weight = np.zeros((n, 2, 3)), np.zeros((n, 2))
        self.feet = np.zeros((n, 2, 3))
        self.foot_yaw, self.swinging = np.zeros((n, 2)), np.zeros((n, 2))
        self.leg_pose, self.leg_weight = np.zeros((n, 2, 3)), np.zeros((n, 2))
        self.knee_out = np.zeros((n, 2))

    def sample(self, t: np.ndarray) -> MotionPlan:
        """Interpolate every curve at other times ``t`` (M,), s."""
        position = np.clip((t - self.t[0]) / (self.t[1] - self.t[0]), 0, len(self.t) - 1)
        low = np.minimum(position.astype(int), len(self.t) - 2)
        plan = MotionPlan(t)
        for f in fields(self):
            if f.name == "t":
                continue
            curve = getattr(self, f.name)
            w = (position - low).reshape(-1, *[1] * (curve.ndim - 1))
            setattr(plan, f.name, (1.0 - w) * curve[low] + w * curve[low + 1])
        return plan


def _rotation(vector_deg: np.ndarray) -> Rotation:
    return Rotation.from_rotvec(np.deg2rad(vector_deg))


def _upright(heading: np.ndarray) -> Rotation:
    return Rotation.from_rotvec(heading[:, None] * np.array([0.0, 0.0, 1.0]))


def _soft_clip(x: np.ndarray, limits: np.ndarray, margin: float = 0.1) -> np.ndarray:
    """Clip to limits (..., 2) with rounded corners, so that a limit is no jerk."""
    low, high = limits[..., 0], limits[..., 1]
    m = margin * (high - low)
    over, under = np.maximum(x - (high - m), 0.0), np.maximum(low + m - x, 0.0)
    return np.clip(x, low + m, high - m) + m * (np.tanh(over / m) - np.tanh(under / m))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _two_bone(
    start: np.ndarray, goal: np.ndarray, pole: np.ndarray, upper: float, lower: float, bend: float
) -> tuple[np.ndarray, np.ndarray]:
    """Place the middle and end joint of a two-bone limb.

    Args:
        start (np.ndarray): (..., 3) upper joint, m.
        goal (np.ndarray): (..., 3) where the end should go; moved along the line to within reach.
        pole (np.ndarray): (..., 3) direction in which the middle joint points.
        upper (float): Length of the upper bone, m.
        lower (float): Length of the lower bone, m.
        bend (float): Largest flexion, degrees; bounds how close the end comes to the start.

    Returns:
        tuple[np.ndarray, np.ndarray]: Middle and end joint, (..., 3), m.
    """
    line = goal - start
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    shortest = np.sqrt(upper**2 + lower**2 + 2.0 * upper * lower * np.cos(np.deg2rad(bend)))
    reach = np.clip(distance, shortest, 0.9995 * (upper + lower))
    axis = line / np.maximum(distance, 1e-9)
    side = _unit(pole - (pole * axis).sum(-1, keepdims=True) * axis)
    along = (upper**2 - lower**2 + reach**2) / (2.0 * reach)
    across = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    return start + along * axis + across * side, start + reach * axis


def _solve_legs(plan: MotionPlan, body: Proportions) -> tuple[np.ndarray, ...]:
    """Root, pelvis orientation, hips, knees and ankles of a plan."""
    upright = _upright(plan.heading)
    pelvis = upright * _rotation(plan.pelvis)
    lateral = pelvis.apply([0.0, 1.0, 0.0])
    hip_offset = body.hip * SIDES[:, None] * lateral[:, None]  # (N, 2, 3)
    height = np.zeros((len(plan.t), 1))  # filled in below
    root = np.c_[plan.path, height] + upright.apply(np.c_[plan.pelvis_offset, height])

    # The hips sink wherever a planted foot would be out of reach; the soft minimum keeps the
    # curve smooth and stays below both bounds.
    horizontal = np.linalg.norm(
        root[:, None, :2] + hip_offset[..., :2] - plan.feet[..., :2], axis=-1
    )
    reach = np.sqrt(np.maximum((0.998 * body.leg) ** 2 - horizontal**2, 0.15**2))
    cap = (
        plan.feet[..., 2] + reach - hip_offset[..., 2] + 2.0 * plan.leg_weight + 0.3 * plan.swinging
    )
    wanted = body.ankle_height + body.leg * plan.pelvis_height + plan.airborne
    softness = 0.01
    root[:, 2] = -softness * logsumexp(-np.c_[cap, wanted] / softness, axis=1)

    hips = root[:, None] + hip_offset
    flexion, abduction = np.deg2rad(plan.leg_pose[..., 0]), np.deg2rad(plan.leg_pose[..., 1])
    swing = np.stack(
        [
            np.sin(flexion) * np.cos(abduction),
            SIDES * np.sin(abduction),
            -np.cos(flexion) * np.cos(abduction),
        ],
        -1,
    )
    length = body.leg * plan.leg_pose[..., 2:]
    free = hips + length * _apply(upright, swing)
    goal = plan.feet + plan.leg_weight[..., None] * (free - plan.feet)
    goal[..., 2] = np.maximum(goal[..., 2], body.ankle_height)
    # A swinging foot out of reach does not snap the knee straight: its distance saturates softly.
    distance = np.linalg.norm(goal - hips, axis=-1)
    longest, softness = 0.985 * body.leg, 0.012 * body.leg
    soft = -softness * np.logaddexp(-distance / softness, -longest / softness)
    share = np.sqrt(plan.swinging) * (soft / np.maximum(distance, 1e-9) - 1.0)
    goal = hips + (1.0 + share[..., None]) * (goal - hips)

    yaw = plan.foot_yaw + SIDES * np.deg2rad(plan.knee_out)
    pole = np.stack([np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)], -1)
    # With the thigh level or above, "forward" no longer fixes the knee: let it point up as well.
    line = _unit(goal - hips)
    pole = pole + np.maximum((line * pole).sum(-1, keepdims=True), 0.0) * np.array([0, 0, 1.5])
    knees, ankles = _two_bone(hips, goal, pole, body.thigh, body.shank, KNEE_MAX)
    return root, pelvis, hips, knees, ankles


def _apply(rotation: Rotation, vectors: np.ndarray) -> np.ndarray:
    """Rotate (N, S, 3) vectors by N rotations."""
    return np.einsum("nij,nsj->nsi", rotation.as_matrix(), vectors)


def _solve_arms(
    plan: MotionPlan, body: Proportions, thorax: np.ndarray, frame: Rotation
) -> tuple[np.ndarray, ...]:
    """Shoulders, elbows and wrists (N, 2, 3) of a plan, from angles and then wrist goals."""
    angles = _soft_clip(plan.arms, ARM_LIMITS)
    elevation, plane, internal, elbow = np.moveaxis(np.deg2rad(angles), -1, 0)
    # Scapulohumeral rhythm: past about 30 degrees the shoulder girdle adds a third of the rise
    # (Inman 1944), seen here as a lifted and slightly protracted clavicle.
    lifted = np.maximum(angles[..., ELEVATION] - 30.0, 0.0)
    shrug = np.deg2rad(0.16 * lifted - 3.0)
    protraction = np.deg2rad(0.10 * lifted * np.sin(plane))
    clavicle = np.stack(
        [
            np.cos(shrug) * np.sin(protraction),
            SIDES * np.cos(shrug) * np.cos(protraction),
            np.sin(shrug),
        ],
        -1,
    )
    outward = np.stack(
        [
            np.sin(elevation) * np.sin(plane),
            SIDES * np.sin(elevation) * np.cos(plane),
            -np.cos(elevation),
        ],
        -1,
    )
    bent = np.stack(
        [
            np.sin(elbow) * np.cos(internal),
            -SIDES * np.sin(elbow) * np.sin(internal),
            -np.cos(elbow),
        ],
        -1,
    )
    # The smallest rotation that takes "hanging" to the upper arm's direction carries the forearm.
    axis = np.stack([-SIDES * np.cos(plane), np.sin(plane), np.zeros_like(plane)], -1)
    swing = Rotation.from_rotvec((-elevation[..., None] * axis).reshape(-1, 3))
    forearm = swing.apply(bent.reshape(-1, 3)).reshape(bent.shape)
    shoulders = thorax[:, None] + body.clavicle * _apply(frame, clavicle)
    elbows = shoulders + body.upper_arm * _apply(frame, outward)
    wrists = elbows + body.forearm * _apply(frame, forearm)

    if np.any(plan.hand_weight > 0.0):
        upright = _upright(plan.heading)
        origin = np.c_[plan.path, np.zeros(len(plan.t))]
        target = origin[:, None] + _apply(upright, plan.hand_target)
        goal = wrists + plan.hand_weight[..., None] * (target - wrists)
        elbows, wrists = _two_bone(
            shoulders, goal, elbows - shoulders, body.upper_arm, body.forearm, ARM_LIMITS[ELBOW, 1]
        )
    return shoulders, elbows, wrists


def solve(plan: MotionPlan, body: Proportions) -> np.ndarray:
    """Joint positions of a plan.

    Args:
        plan (MotionPlan): N samples.
        body (Proportions): Bone lengths.

    Returns:
        np.ndarray: (N, 17, 3) float64 joints in Human3.6M order, world frame, metres.
    """
    root, pelvis, hips, knees, ankles = _solve_legs(plan, body)
    bend = _soft_clip(plan.spine, SPINE_LIMITS)
    lower, middle, upper = (pelvis * _rotation(bend * share) for share in (0.3, 0.7, 1.0))
    # The gaze stays level: the neck takes back a part of the trunk's lean.
    neck = plan.neck - 0.35 * (plan.pelvis + bend) * np.array([1.0, 1.0, 0.0])
    neck_frame = upper * _rotation(_soft_clip(neck, HEAD_LIMITS))
    head_frame = neck_frame * _rotation(_soft_clip(plan.head, HEAD_LIMITS))
    spine = root + lower.apply([0.0, 0.0, body.lumbar])
    thorax = spine + middle.apply([0.0, 0.0, body.thoracic])
    neck_base = thorax + neck_frame.apply(body.neck * _unit(np.array([0.12, 0.0, 1.0])))
    head = neck_base + head_frame.apply([0.0, 0.0, body.head])
    shoulders, elbows, wrists = _solve_arms(plan, body, thorax, upper)
    order = [
        root,
        *(joint[:, RIGHT] for joint in (hips, knees, ankles)),
        *(joint[:, LEFT] for joint in (hips, knees, ankles)),
        *(spine, thorax, neck_base, head),
        *(joint[:, LEFT] for joint in (shoulders, elbows, wrists)),
        *(joint[:, RIGHT] for joint in (shoulders, elbows, wrists)),
    ]
    return np.stack(order, 1)
