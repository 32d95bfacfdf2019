"""The cycle on poses whose depths are known: a perfect lifter leaves nothing to complain about."""

import numpy as np
import pytest
import torch
from data_factory import make_unpaired_poses, walking_poses
from part_synth.geometry import (
    BONES_TOTAL,
    bone_lengths,
    bones_total,
    flat_points,
    unit_scale,
    view_rotation,
)
from part_synth.models import (
    BoneRatioLoss,
    Cycle2DLoss,
    Cycle3DLoss,
    DeformationLoss,
    FrameLifter,
    MotionAdversarialLoss,
    PoseAdversarialLoss,
)
from part_synth.models.lifting import run_cycle

C = 10.0
CRITIC = dict(type="part_synth.PoseCritic", width=8, num_blocks=1)


@pytest.fixture
def joints():
    """(6, 2, 17, 3) true poses in the lifting frame, about one head-root distance large."""
    world = walking_poses(12, 10, np.random.default_rng(0))
    body = torch.from_numpy((world - world[:, :1])[..., [0, 2, 1]] * [1, -1, 1]) / 0.7
    azimuth = torch.linspace(-3, 3, 12, dtype=torch.float64)
    turned = body @ view_rotation(azimuth, azimuth * 0 + 0.2)
    return (turned + turned.new_tensor([0, 0, C])).float().reshape(6, 2, 17, 3)


@pytest.fixture
def rotation():
    return view_rotation(torch.linspace(-2, 2, 6), torch.linspace(-0.2, 0.2, 6))


def perfect_cycle(joints, rotation):
    """The cycle of a lifter that knows the depths in both views."""
    turned = (joints - joints[..., :1, :]) @ rotation[:, None].mT
    scale = unit_scale(flat_points(turned + turned.new_tensor([0, 0, C])))[..., 0]
    answers = iter([joints[..., 2] - C, turned[..., 2] * scale])
    return run_cycle(lambda points: next(answers), flat_points(joints), rotation, C)


def test_turned_poses_are_turned_about_the_root(joints, rotation):
    cycle = perfect_cycle(joints, rotation)
    slow = torch.stack([(joints[i] - joints[i, :, :1]) @ rotation[i].T for i in range(6)])
    turned = cycle.turned - cycle.turned[..., :1, :]
    ratio = turned.norm(dim=(-1, -2)) / slow.norm(dim=(-1, -2))
    # One size for a clip.
    torch.testing.assert_close(ratio[:, 0], ratio[:, 1])
    torch.testing.assert_close(turned, slow * ratio[..., None, None], atol=1e-4, rtol=1e-3)


def test_what_the_new_view_sees_has_the_usual_size(joints, rotation):
    seen = perfect_cycle(joints, rotation).seen
    torch.testing.assert_close(bones_total(seen).mean(-1), torch.full((6,), BONES_TOTAL))


def test_a_perfect_lifter_has_almost_no_cycle_loss(joints, rotation):
    cycle = perfect_cycle(joints, rotation)
    blind = run_cycle(lambda p: p[..., 0] * 0, cycle.points, rotation, C)
    for loss in (Cycle2DLoss(), Cycle3DLoss(kind="l1"), DeformationLoss()):
        assert float(loss(cycle)) < 0.1 * float(loss(blind))


def test_a_flat_world_is_noticed_in_the_first_view(joints, rotation):
    cycle = run_cycle(lambda p: p[..., 0] * 0, flat_points(joints), rotation, C)
    assert (cycle.joints[..., 2] == C).all()
    assert float(Cycle2DLoss()(cycle)) > 0.05


def test_weights_and_kinds(joints, rotation):
    cycle = run_cycle(lambda p: p[..., 0] * 0, flat_points(joints), rotation, C)
    difference = cycle.points_again - cycle.points
    assert float(Cycle2DLoss(loss_weight=3.0)(cycle)) == pytest.approx(
        3.0 * float(difference.abs().mean()), rel=1e-5
    )
    assert float(Cycle3DLoss(loss_weight=2.0, kind="l2")(cycle)) == pytest.approx(
        2.0 * float((cycle.relifted - cycle.turned).square().mean()), rel=1e-5
    )
    with pytest.raises(ValueError, match="kind must be one of"):
        Cycle2DLoss(kind="l3")


def test_deformation_pairs_poses_as_a_slow_loop_does(joints, rotation):
    cycle = run_cycle(lambda p: p[..., 0] * 3, flat_points(joints), rotation, C)
    a, b = cycle.joints.flatten(0, 1), cycle.joints_again.flatten(0, 1)
    slow = [((a[i] - a[i + 6]) - (b[i] - b[i + 6])).norm() for i in range(6)]
    torch.testing.assert_close(DeformationLoss()(cycle), torch.stack(slow).mean())


def test_bone_ratios_do_not_see_the_size(joints, rotation):
    true = bone_lengths(joints).mean((0, 1)).tolist()
    cycle = perfect_cycle(joints, rotation)
    assert float(BoneRatioLoss(true, 50.0)(cycle)) < 1e-6
    assert float(BoneRatioLoss([7 * length for length in true], 50.0)(cycle)) < 1e-6
    wrong = [length * (2 if i == 3 else 1) for i, length in enumerate(true)]
    assert float(BoneRatioLoss(wrong, 50.0)(cycle)) > 0.1


@pytest.mark.parametrize("ratios", [[1.0] * 15, [1.0] * 15 + [0.0], [1.0] * 15 + [float("nan")]])
def test_bad_bone_ratios_are_refused(ratios):
    with pytest.raises(ValueError, match="16 positive bone lengths"):
        BoneRatioLoss(ratios)


def test_reference_poses_are_read_when_they_are_there(joints, rotation, tmp_path):
    """The embedded set is made after the model is built."""
    cycle = perfect_cycle(joints, rotation)
    path = tmp_path / "poses.npz"
    loss = BoneRatioLoss(str(path), 50.0)
    with pytest.raises(FileNotFoundError, match=r"poses\.npz"):
        loss(cycle)
    make_unpaired_poses(path)
    late, early = float(loss(cycle)), float(BoneRatioLoss(str(path), 50.0)(cycle))
    assert late == early > 0


@pytest.mark.parametrize("kind", [PoseAdversarialLoss, MotionAdversarialLoss])
def test_each_side_of_the_game_moves_its_own_weights(kind, joints, rotation):
    torch.manual_seed(0)
    game = kind(CRITIC)
    lifter = FrameLifter(width=8, num_blocks=1)
    points = flat_points(joints)
    cycle = run_cycle(lifter, points, rotation, C)
    fool, judge = game(cycle, points.flip(0))
    fool.backward(retain_graph=True)
    assert all(p.grad is None for p in game.critic.parameters())
    assert any(float(p.grad.abs().sum()) > 0 for p in lifter.parameters())
    before = [p.grad.clone() for p in lifter.parameters()]
    judge.backward()
    assert all(p.grad is not None for p in game.critic.parameters())
    for grad, p in zip(before, lifter.parameters(), strict=True):
        torch.testing.assert_close(grad, p.grad, rtol=0, atol=0)


def test_least_squares_game_is_that_of_the_formula(joints, rotation):
    game = PoseAdversarialLoss(CRITIC, loss_weight=0.5)
    points = flat_points(joints)
    cycle = run_cycle(lambda p: p[..., 0] * 0, points, rotation, C)
    fool, judge = game(cycle, points)
    fake, real = game.critic(cycle.seen), game.critic(points)
    torch.testing.assert_close(fool, 0.5 * (fake - 1).square().mean())
    torch.testing.assert_close(judge, (real - 1).square().mean() + fake.square().mean())


def test_motion_needs_two_frames(joints, rotation):
    points = flat_points(joints)[:, :1]
    cycle = run_cycle(lambda p: p[..., 0] * 0, points, rotation, C)
    with pytest.raises(ValueError, match="num_frames=2"):
        MotionAdversarialLoss(CRITIC)(cycle, points)


def test_motion_judges_differences_of_frames(joints, rotation):
    game = MotionAdversarialLoss(CRITIC)
    points = flat_points(joints)
    moved = points + 0.3
    torch.testing.assert_close(game.judged(points), game.judged(moved))
    torch.testing.assert_close(game.judged(points)[0], points[0, 1] - points[0, 0])


def test_gradients_reach_the_lifter_and_are_finite(joints, rotation):
    lifter = FrameLifter(width=8, num_blocks=1)
    cycle = run_cycle(lifter, flat_points(joints), rotation, C)
    bones = BoneRatioLoss(bone_lengths(joints).mean((0, 1)).tolist())
    total = Cycle2DLoss()(cycle) + Cycle3DLoss()(cycle) + DeformationLoss()(cycle) + bones(cycle)
    total.backward()
    for p in lifter.parameters():
        assert torch.isfinite(p.grad).all()


def test_a_single_pose_has_nothing_to_be_compared_with(joints, rotation):
    cycle = run_cycle(lambda p: p[..., 0] * 0, flat_points(joints)[:1, :1], rotation[:1], C)
    with pytest.raises(ValueError, match="raise the batch size"):
        DeformationLoss()(cycle)
