import math

import pytest
import torch
from part_synth.geometry import (
    H36M17,
    JOINT_LIMITS,
    REST_DIRECTIONS,
    ArticulationLimits,
    forward_kinematics,
    local_directions,
    mirror,
)
from part_synth.geometry.articulation import _shapes

FORWARD = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)
BACK, DOWN = -FORWARD, torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
UP, LEFT = -DOWN, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)


@pytest.fixture
def limits():
    return ArticulationLimits()


def between(start, end, degrees):
    """Unit vector turned from start towards end (perpendicular unit vectors) by some degrees."""
    angle = math.radians(degrees)
    return math.cos(angle) * start + math.sin(angle) * end


def posed(**joints):
    """Rest pose with some bones, by child joint, replaced by other local directions."""
    directions = REST_DIRECTIONS.clone()
    for name, direction in joints.items():
        directions[H36M17.index(name) - 1] = direction
    return directions


def random_directions(count, generator):
    directions = torch.randn(count, 16, 3, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(directions, dim=-1)


ALLOWED = {
    "rest": {},
    "sitting": {
        "left_knee": between(DOWN, FORWARD, 90),
        "right_knee": between(DOWN, FORWARD, 90),
        "left_foot": between(DOWN, BACK, 90),
        "right_foot": between(DOWN, BACK, 90),
    },
    "deep squat": {"left_knee": between(DOWN, FORWARD, 125), "left_foot": between(DOWN, BACK, 145)},
    "stride": {"left_knee": between(DOWN, FORWARD, 40), "right_knee": between(DOWN, BACK, 25)},
    "side split": {"left_knee": between(DOWN, LEFT, 45), "right_knee": between(DOWN, -LEFT, 45)},
    "T pose": {"left_elbow": LEFT, "right_elbow": -LEFT},
    "arms up": {"left_elbow": UP, "right_elbow": UP},
    "arms forward": {"left_elbow": FORWARD, "right_elbow": FORWARD},
    "arms back": {"left_elbow": between(DOWN, BACK, 55), "right_elbow": between(DOWN, BACK, 55)},
    "curl": {"left_wrist": between(DOWN, FORWARD, 140), "right_wrist": between(DOWN, FORWARD, 140)},
    "bent over": {"thorax": between(UP, FORWARD, 75)},
    "nod": {"neck_base": between(UP, FORWARD, 45), "head": between(UP, FORWARD, 30)},
    "twist": {
        "left_shoulder": between(LEFT, FORWARD, 50),
        "right_shoulder": between(-LEFT, BACK, 50),
    },
}

FORBIDDEN = {
    "left_foot": between(DOWN, FORWARD, 40),
    "right_foot": between(DOWN, FORWARD, 40),
    "left_wrist": between(DOWN, BACK, 40),
    "right_wrist": between(DOWN, BACK, 40),
    "head": between(DOWN, BACK, 50),
    "neck_base": between(UP, BACK, 110),
    "thorax": between(UP, BACK, 80),
    "left_knee": between(DOWN, BACK, 80),
    "right_knee": UP,
    "left_elbow": between(-LEFT, BACK, 45),
    "left_shoulder": -LEFT,
    "spine": between(UP, LEFT, 60),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_ordinary_poses_are_inside(limits, name):
    directions = posed(**ALLOWED[name])
    violation = limits.violation(directions)
    assert violation.shape == (16,)
    assert violation.max() == 0
    assert torch.equal(limits.clamp(directions), directions)


@pytest.mark.parametrize("joint", FORBIDDEN)
def test_impossible_bones_are_outside_alone(limits, joint):
    directions = posed(**{joint: FORBIDDEN[joint]})
    violation = limits.violation(directions)
    bone = H36M17.index(joint) - 1
    assert violation[bone] > math.radians(5)
    assert violation.sum() == violation[bone]


def test_a_knee_bent_forwards_violates_by_what_exceeds_hyperextension(limits):
    allowed = JOINT_LIMITS["foot"].tolerance + limits.margin
    violation = limits.violation(posed(left_foot=between(DOWN, FORWARD, 40)))
    assert math.degrees(violation[H36M17.index("left_foot") - 1]) == pytest.approx(
        40 - allowed, 1e-4
    )


def test_a_hyperextended_elbow_is_seen_in_a_raised_arm_too(limits, lengths):
    """Built in the body frame: the arm points to the side, the forearm bends behind it."""
    joints = forward_kinematics(posed(left_elbow=LEFT), lengths)
    joints[13] = joints[12] + lengths[12] * between(LEFT, BACK, 60)
    assert limits.violation(local_directions(joints))[12] > math.radians(20)
    joints[13] = joints[12] + lengths[12] * between(LEFT, FORWARD, 60)
    assert limits.violation(local_directions(joints))[12] == 0


def test_gravity_is_no_limit(limits, poses):
    lying = poses @ torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    on_the_side = poses @ torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    upright = limits.violation(local_directions(poses))
    torch.testing.assert_close(limits.violation(local_directions(lying)), upright)
    torch.testing.assert_close(limits.violation(local_directions(on_the_side)), upright)


def test_left_and_right_are_mirror_images(limits, generator, lengths):
    joints = forward_kinematics(random_directions(200, generator), lengths)
    flip = [j - 1 for j in H36M17.flip_indices[1:]]
    torch.testing.assert_close(
        limits.violation(local_directions(mirror(joints))),
        limits.violation(local_directions(joints))[:, flip],
        atol=1e-6,
        rtol=1e-6,
    )


def sampled_sector(limit, side, count=181):
    """(n, 3) points that fill a sector densely."""
    pole = torch.nn.functional.normalize(torch.tensor(limit.pole).double() * side, dim=0)
    towards = torch.tensor(limit.towards).double() * side
    towards = torch.nn.functional.normalize(towards - (towards @ pole) * pole, dim=0)
    sideways = torch.linalg.cross(pole, towards)
    azimuth = torch.deg2rad(torch.linspace(-limit.spread, limit.spread, count).double())
    bend = azimuth.cos()[:, None] * towards + azimuth.sin()[:, None] * sideways
    arc = torch.deg2rad(torch.linspace(0, limit.arc, count).double())
    return (arc.cos()[:, None, None] * pole + arc.sin()[:, None, None] * bend).reshape(-1, 3)


@pytest.mark.parametrize("joint", ["right_foot", "left_wrist", "right_knee", "left_elbow", "head"])
def test_violation_is_the_distance_to_a_sampled_sector(limits, generator, joint):
    """The closed form against brute force, for hinges, strips and cones."""
    bone = H36M17.index(joint) - 1
    limit = JOINT_LIMITS[joint.removeprefix("left_").removeprefix("right_")]
    side = torch.tensor([-1.0 if joint.startswith("left_") else 1.0, 1.0, 1.0]).double()
    directions = REST_DIRECTIONS.repeat(300, 1, 1)
    directions[:, bone] = random_directions(300, generator)[:, 0]
    cosine = directions[:, bone] @ sampled_sector(limit, side).T
    distance = torch.acos(cosine.clamp(-1, 1)).amin(-1)
    expected = (distance - math.radians(limit.tolerance + limits.margin)).clamp_min(0)
    got = limits.violation(directions)[:, bone]
    torch.testing.assert_close(got, expected, atol=0.01, rtol=0)
    assert (expected > 0.1).any()

    # The clamped direction is inside, and no farther away than the violation says: the nearest.
    clamped = limits.clamp(directions)[:, bone]
    moved = torch.acos((clamped * directions[:, bone]).sum(-1).clamp(-1, 1))
    torch.testing.assert_close(moved, got, atol=1e-6, rtol=0)


def test_clamped_poses_are_inside_and_stay(limits, generator):
    directions = random_directions(500, generator)
    clamped = limits.clamp(directions)
    torch.testing.assert_close(clamped.norm(dim=-1), torch.ones(500, 16, dtype=torch.float64))
    assert limits.violation(clamped).max() < 1e-6
    torch.testing.assert_close(limits.clamp(clamped), clamped, atol=1e-6, rtol=0)
    inside = limits.violation(directions) == 0
    assert torch.equal(clamped[inside], directions[inside])
    assert 0.1 < inside.double().mean() < 0.9


def test_hips_and_spine_are_clamped_in_the_pelvis_frame(limits):
    """A folded pelvis lying on its side opens where it is, without being turned upright."""
    directions = posed(right_hip=between(DOWN, LEFT, 60), left_hip=between(UP, LEFT, 60))
    clamped = limits.clamp(directions)
    line = clamped[3] - clamped[0]
    torch.testing.assert_close(torch.nn.functional.normalize(line, dim=0), UP)
    assert limits.violation(clamped).max() < 1e-6


@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_types(limits, leading, dtype):
    directions = torch.randn(*leading, 16, 3, dtype=dtype)
    assert limits.violation(directions).shape == (*leading, 16)
    assert limits(directions).dtype == dtype
    assert limits.clamp(directions).shape == (*leading, 16, 3)
    assert limits.clamp(directions).dtype == dtype


def test_gradients(limits, generator):
    directions = random_directions(3, generator).requires_grad_()
    assert torch.autograd.gradcheck(limits.violation, (directions,))
    assert torch.autograd.gradcheck(limits.clamp, (directions,))


def test_gradient_descent_on_the_violation_repairs_a_pose(limits, generator):
    directions = random_directions(8, generator).requires_grad_()
    optimizer = torch.optim.SGD([directions], lr=0.1)
    before = limits.violation(directions).sum().item()
    for _ in range(60):
        optimizer.zero_grad()
        limits.violation(directions).square().sum().backward()
        optimizer.step()
    assert limits.violation(directions).sum().item() < 0.1 * before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_poles_antipodes_and_zeros_have_finite_gradients(limits, dtype):
    shapes = _shapes(limits.margin, torch.float32, torch.device("cpu"))
    axes = [shapes[key] for key in ("pole", "towards", "sideways")]
    cases = [sign * axis for axis in axes for sign in (1, -1)]
    directions = torch.stack([*cases, torch.zeros(16, 3), REST_DIRECTIONS.float()]).to(dtype)
    directions.requires_grad_()
    violation, clamped = limits.violation(directions), limits.clamp(directions)
    (violation.sum() + clamped.square().sum()).backward()
    assert violation.isfinite().all()
    assert clamped.isfinite().all()
    assert directions.grad.isfinite().all()
    assert limits.violation(clamped)[:-2].max() < 1e-5


def test_a_margin_widens_every_limit(generator):
    directions = random_directions(200, generator)
    narrow, wide = ArticulationLimits(margin=0.0), ArticulationLimits(margin=30.0)
    difference = narrow.violation(directions) - wide.violation(directions)
    assert (difference >= 0).all()
    assert difference.amax(0).min() > 0.3
    assert difference.max() <= math.radians(30) + 1e-5


def test_limits_are_no_part_of_a_checkpoint(limits):
    assert limits.state_dict() == {}
    assert list(limits.parameters()) == []
    assert "margin=10.0" in repr(limits)


def test_every_joint_names_its_source():
    kinds = {n.removeprefix("left_").removeprefix("right_") for n in H36M17.joint_names[1:]}
    assert set(JOINT_LIMITS) == kinds
    assert all(limit.source for limit in JOINT_LIMITS.values())


def test_wrong_arguments_are_named(limits):
    with pytest.raises(ValueError, match=r"margin must be between 0 and 60 degrees, got -1"):
        ArticulationLimits(margin=-1)
    for function in (limits.violation, limits.clamp):
        with pytest.raises(
            ValueError, match=r"directions must have shape \(\*, 16, 3\), got \(17, 3\)"
        ):
            function(torch.zeros(17, 3))


@pytest.mark.parametrize("margin", ["a", None, True, [10.0]])
def test_a_margin_that_is_no_number(margin):
    with pytest.raises(ValueError, match="margin must be between 0 and 60 degrees, got"):
        ArticulationLimits(margin)
