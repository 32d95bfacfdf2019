"""Procedural motion: physical plausibility, determinism, breadth."""

import functools

import numpy as np
import pytest
import torch
from part_synth.datasets.synthetic.motions import MOTION_CLASSES, make_motion, preferred_radius
from part_synth.datasets.synthetic.motions.body import MotionPlan, Proportions, solve
from part_synth.datasets.synthetic.motions.curves import Repetitions, ease, noise, wander
from part_synth.geometry import H36M17, ArticulationLimits, local_directions, to_body_frame

FPS = 50
PARENTS = list(H36M17.parents)
LEFT_KNEE, LEFT_FOOT, RIGHT_FOOT, HEAD = 5, 6, 3, 10
AIRBORNE = ("jump", "run")


@functools.cache
def clip(action: str, seed: int, radius: float | None = None) -> np.ndarray:
    rng = np.random.default_rng([seed, 17])
    return make_motion(action, rng, 200, FPS, radius=radius or preferred_radius(action))


def speed(joints: np.ndarray) -> np.ndarray:
    """Speeds (T - 1, ...) of positions (T, ..., 3), m/s."""
    return np.linalg.norm(np.diff(joints, axis=0), axis=-1) * FPS


def p_mpjpe(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Independent numpy Procrustes with scale, no reflection: (N,) mm."""
    a = source - source.mean(-2, keepdims=True)
    b = target - target.mean(-2, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(a, -1, -2) @ b)
    flip = np.ones_like(s)
    flip[..., -1] = np.sign(np.linalg.det(u @ vt))
    scale = (s * flip).sum(-1) / (a**2).sum((-1, -2))
    aligned = scale[..., None, None] * (a @ (u * flip[..., None, :]) @ vt)
    return 1000.0 * np.linalg.norm(aligned - b, axis=-1).mean(-1)


def canonical(joints: np.ndarray) -> np.ndarray:
    """Root-centred poses turned about z so that the hips lie along y."""
    poses = joints - joints[:, :1]
    left = (poses[:, 4] - poses[:, 1])[:, :2]
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    forward = np.stack([left[:, 1], -left[:, 0]], -1)
    turned = poses.copy()
    turned[..., 0] = np.einsum("nj,nkj->nk", forward, poses[..., :2])
    turned[..., 1] = np.einsum("nj,nkj->nk", left, poses[..., :2])
    return turned


@functools.cache
def sample_set() -> dict[str, np.ndarray]:
    """Canonical poses per class: 6 clips of 8 s at 4 fps."""
    out = {}
    for number, action in enumerate(MOTION_CLASSES):
        rngs = [np.random.default_rng([number, seed]) for seed in range(6)]
        room = preferred_radius(action)
        clips = [make_motion(action, rng, 32, 4.0, radius=room) for rng in rngs]
        out[action] = canonical(np.concatenate(clips))
    return out


def test_there_are_enough_classes():
    assert len(MOTION_CLASSES) == len(set(MOTION_CLASSES)) >= 16
    wanted = {"walk", "run", "squat", "sit_down_get_up", "reach", "wave", "box", "kick", "jump"}
    assert wanted | {"turn", "dance", "random_reach"} <= set(MOTION_CLASSES)


@pytest.mark.parametrize("action", MOTION_CLASSES)
def test_shape_type_and_determinism(action):
    first = make_motion(action, np.random.default_rng(3), 30, 25.0)
    again = make_motion(action, np.random.default_rng(3), 30, 25.0)
    other = make_motion(action, np.random.default_rng(4), 30, 25.0)
    assert first.shape == (30, 17, 3)
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert np.array_equal(first, again)
    assert np.abs(canonical(first) - canonical(other)).mean() > 0.01


@pytest.mark.parametrize("action", MOTION_CLASSES)
def test_same_motion_at_another_rate(action):
    slow = make_motion(action, np.random.default_rng(5), 20, 10.0)
    fast = make_motion(action, np.random.default_rng(5), 100, 50.0)
    np.testing.assert_allclose(fast[::5], slow, atol=1e-9)


@pytest.mark.parametrize("action", MOTION_CLASSES)
@pytest.mark.parametrize("seed", [0, 1])
def test_bones_keep_their_length(action, seed):
    joints = clip(action, seed)
    bones = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
    assert np.ptp(bones, axis=0).max() < 1e-9
    # Left and right alike, and an adult's size.
    np.testing.assert_allclose(bones[0, :3], bones[0, 3:6], atol=1e-9)
    np.testing.assert_allclose(bones[0, 10:13], bones[0, 13:16], atol=1e-9)
    assert 0.68 < bones[0, 1:3].sum() < 1.05


@pytest.mark.parametrize("action", MOTION_CLASSES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_feet_on_the_floor(action, seed):
    joints = clip(action, seed)
    ankles = joints[:, [LEFT_FOOT, RIGHT_FOOT], 2]
    # Nothing goes below the floor; an ankle stands 7 to 11 cm above it.
    assert 0.065 < ankles.min() < 0.11
    assert joints[..., 2].min() > 0.02
    lowest = ankles.min(1)
    if action in AIRBORNE:
        assert lowest.max() > ankles.min() + 0.02
    else:  # always a foot down, at most on its toes
        assert lowest.max() < 0.20


@pytest.mark.parametrize("action", MOTION_CLASSES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_speeds_and_accelerations_are_human(action, seed):
    joints = clip(action, seed)
    # The fastest throws release at more than 20 m/s, sprinters run at 12; we stay well below.
    assert speed(joints).max() < 13.0
    assert speed(joints[:, 0]).max() < 4.5
    root = np.linalg.norm(np.diff(joints[:, 0], 2, axis=0), axis=-1) * FPS**2
    assert root.max() < 80.0
    # Something moves in every clip.
    assert speed(joints).max() > 0.2


@pytest.mark.parametrize("action", ["walk", "run"])
@pytest.mark.parametrize("seed", range(4))
def test_stance_feet_do_not_slide(action, seed):
    joints = clip(action, seed)
    feet = joints[:, [LEFT_FOOT, RIGHT_FOOT]]
    still = speed(feet) < 0.02
    # A foot rests flat for a share of each cycle, the body going on meanwhile.
    assert still.mean() > (0.3 if action == "walk" else 0.1)
    assert still.any(1).mean() > (0.6 if action == "walk" else 0.2)
    assert np.median(speed(joints[:, 0])) > 0.2
    # It rests on the floor, and nowhere else.
    assert np.ptp(feet[1:][still][:, 2]) < 0.03
    # Within one stance it stays within millimetres.
    for foot in range(2):
        edges = np.flatnonzero(np.diff(np.r_[0, still[:, foot], 0]))
        drift = [
            np.ptp(feet[a + 1 : b + 1, foot, :2], axis=0).max() for a, b in edges.reshape(-1, 2)
        ]
        assert max(drift) < 0.003


@pytest.mark.parametrize("action", ["squat", "sit_down_get_up", "throw", "bend_pick_up"])
def test_standing_feet_stay_put(action):
    feet = clip(action, 2)[:, [LEFT_FOOT, RIGHT_FOOT]]
    assert (speed(feet) < 0.02).any(1).mean() > 0.9


@pytest.mark.parametrize("action", MOTION_CLASSES)
@pytest.mark.parametrize("radius", [0.25, 0.5, 1.5])
def test_stays_inside_the_disc(action, radius):
    for seed in range(3):
        rng = np.random.default_rng([seed, 29])
        joints = make_motion(action, rng, 80, 10.0, centre=(3.0, -2.0), radius=radius)
        assert np.linalg.norm(joints[:, 0, :2] - [3.0, -2.0], axis=1).max() <= radius + 1e-9


def test_heading_turns_the_clip():
    """Asking for another heading turns the same clip about the centre."""
    at = [make_motion("box", np.random.default_rng(1), 20, 10.0, heading=h) for h in (0.3, 1.4)]
    cos, sin = np.cos(1.1), np.sin(1.1)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(at[0] @ turn.T, at[1], atol=1e-9)


@pytest.mark.parametrize("action", ["squat", "wave", "drink"])
def test_faces_the_given_heading(action):
    for seed in range(6):
        joints = make_motion(action, np.random.default_rng(seed), 2, 10.0, heading=2.0)
        left = joints[0, 4] - joints[0, 1]
        facing = np.array([left[1], -left[0]]) / np.hypot(left[0], left[1])
        assert facing @ [np.cos(2.0), np.sin(2.0)] > 0.7


def test_both_hands_take_part():
    """Clips are mirrored at random: over many clips neither hand is higher."""
    top = np.array([clip("throw", seed)[:, [13, 16], 2].max(0) for seed in range(24)])
    share = np.mean(top[:, 0] > top[:, 1])
    assert 0.15 < share < 0.85


def test_walking_arms_swing_against_the_legs():
    swings = []
    for seed in range(12):
        poses = canonical(clip("walk", seed))
        leg = poses[:, LEFT_FOOT, 0] - poses[:, RIGHT_FOOT, 0]
        arm = poses[:, 13, 0] - poses[:, 16, 0]
        swings.append(np.corrcoef(leg, arm)[0, 1])
    assert np.median(swings) < -0.6


def test_knees_bend_forwards_and_heads_stay_up():
    for action in MOTION_CLASSES:
        poses = sample_set()[action]
        for hip, knee, foot in ((1, 2, 3), (4, 5, 6)):
            shin, thigh = poses[:, foot] - poses[:, knee], poses[:, knee] - poses[:, hip]
            # Rotation axis of the bend: along +y (the left) when the shank folds backwards.
            axis = np.cross(thigh, shin)
            assert np.percentile(axis[:, 1], 2) > -0.05
        assert np.median(poses[:, HEAD, 2]) > 0.35


def test_poses_respect_articulation_limits():
    poses = np.concatenate(list(sample_set().values()))
    body, _ = to_body_frame(torch.from_numpy(poses))
    worst = torch.rad2deg(ArticulationLimits().violation(local_directions(body))).amax(-1)
    assert (worst < 1.0).double().mean() > 0.98


def test_pose_set_is_as_broad_as_real_motion():
    """Canonical-mean P-MPJPE: 117 mm for CMU motion capture, 110 mm for an earlier rendered set."""
    poses = np.concatenate(list(sample_set().values()))
    spread = p_mpjpe(poses.mean(0)[None], poses).mean()
    assert 100.0 < spread < 130.0
    rng = np.random.default_rng(0)
    pairs = rng.integers(len(poses), size=(2, 1000))
    assert p_mpjpe(poses[pairs[0]], poses[pairs[1]]).mean() > 135.0


def test_classes_differ():
    """No two classes have the same mean and spread of joints."""
    summary = {
        action: np.r_[poses.mean(0).ravel(), poses.std(0).ravel()]
        for action, poses in sample_set().items()
    }
    names = list(summary)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            assert np.abs(summary[first] - summary[second]).max() > 0.05, (first, second)


def test_signature_poses():
    """Each class does what it is called."""
    z = {action: clip_heights(action) for action in ("squat", "sit_down_get_up", "stretch", "jump")}
    assert z["squat"][0] < 0.75 and z["sit_down_get_up"][0] < 0.62
    assert z["stretch"][1] > 1.75
    assert z["jump"][2] > 0.2
    kick = [sample_set()["kick"][:, foot, 2].max() for foot in (LEFT_FOOT, RIGHT_FOOT)]
    assert max(kick) > -0.35
    assert sample_set()["bend_pick_up"][:, [13, 16], 2].min() < -0.2


def clip_heights(action: str) -> tuple[float, float, float]:
    """Lowest root, highest wrist, highest lower ankle over some clips, m."""
    joints = np.concatenate([clip(action, seed) for seed in range(6)])
    ankles = joints[:, [3, 6], 2].min(1)
    return joints[:, 0, 2].min(), joints[:, [13, 16], 2].max(), ankles.max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "fly"}, "Unknown motion class 'fly'"),
        ({"num_frames": 0}, "num_frames must be at least 1"),
        ({"fps": 0.0}, "fps must be positive"),
        ({"fps": float("nan")}, "fps must be positive"),
        ({"radius": 0.01}, "radius must be at least"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"action": "walk", "num_frames": 10, "fps": 25.0, "radius": 0.5} | change
    with pytest.raises(ValueError, match=message):
        make_motion(rng=np.random.default_rng(0), **arguments)


def test_single_frame():
    assert make_motion("walk", np.random.default_rng(0), 1, 25.0).shape == (1, 17, 3)


def test_rest_plan_is_an_upright_person():
    """Solver against hand-computed positions of a straight, still pose."""
    body = Proportions()
    plan = MotionPlan(np.array([0.0, 0.1]))
    plan.feet[:, 0] = [0.0, body.hip, body.ankle_height]
    plan.feet[:, 1] = [0.0, -body.hip, body.ankle_height]
    plan.pelvis_height[:] = 0.8
    joints = solve(plan, body)
    root = body.ankle_height + 0.8 * body.leg
    np.testing.assert_allclose(joints[0, 0], [0.0, 0.0, root], atol=1e-6)
    np.testing.assert_allclose(joints[0, LEFT_FOOT], plan.feet[0, 0], atol=1e-6)
    np.testing.assert_allclose(joints[0, 8], [0, 0, root + body.lumbar + body.thoracic], atol=1e-6)
    # Law of cosines: the knee stands forward by the height of the triangle thigh, shank, 0.8 leg.
    side = 0.8 * body.leg
    along = (body.thigh**2 - body.shank**2 + side**2) / (2 * side)
    forward = np.sqrt(body.thigh**2 - along**2)
    expected = [forward, body.hip, root - along]
    np.testing.assert_allclose(joints[0, LEFT_KNEE], expected, atol=1e-6)
    assert joints[0, 11, 1] > 0.1 > -0.1 > joints[0, 14, 1]


def test_wrist_goal_is_reached():
    body = Proportions()
    plan = MotionPlan(np.array([0.0, 0.1]))
    plan.feet[:, 0] = [0.0, 0.1, body.ankle_height]
    plan.feet[:, 1] = [0.0, -0.1, body.ankle_height]
    plan.hand_target[:, 1] = [0.3, -0.2, 1.3]
    plan.hand_weight[:, 1] = 1.0
    joints = solve(plan, body)
    np.testing.assert_allclose(joints[:, 16], np.tile([0.3, -0.2, 1.3], (2, 1)), atol=1e-9)


def test_curves():
    u = np.linspace(0.0, 1.0, 1001)
    assert ease(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert np.diff(ease(u)).min() >= 0.0
    t = np.linspace(0.0, 10.0, 2001)
    # Band-limited: hardly any power above twice the highest wanted frequency.
    curve = noise(t, np.random.default_rng(0), 3.0, 2.0)
    power = np.abs(np.fft.rfft(curve * np.hanning(len(t)))) ** 2
    frequency = np.fft.rfftfreq(len(t), t[1])
    assert power[frequency > 1.5].sum() < 0.01 * power.sum()
    held = wander(t, np.random.default_rng(0), [-1.0, 5.0], [1.0, 6.0], 1.0)
    assert held.shape == (2001, 2)
    assert (held.min(0) >= [-1.0, 5.0]).all() and (held.max(0) <= [1.0, 6.0]).all()
    reps = Repetitions(t, np.random.default_rng(1), (1.0, 1.5))
    assert reps.phase.min() >= 0.0 and reps.phase.max() <= 1.0
    assert set(np.diff(reps.index)) == {0, 1}
    assert 5 <= reps.index[-1] <= 12
