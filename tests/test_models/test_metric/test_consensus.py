import pytest
import roma
import torch
from part_synth.geometry import canonicalise_camera_pose, mirror
from part_synth.models.metric import (
    ViewConsensusLoss,
    agreed_poses,
    consensus_rotations,
    mirror_rotations,
    view_disagreement,
)
from part_synth.models.metric.consensus import consensus_joints
from part_synth.registry import MODELS
from tiny_part_synth import make_poses


def draw_rotations(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return roma.random_rotmat(shape, generator=generator, dtype=torch.float64)


def scene(instants, views, cameras, seed=0):
    """Orientations (N, V, 3, 3) of a body seen by V of C standing cameras, and their numbers."""
    generator = torch.Generator().manual_seed(seed)
    place, body = draw_rotations(cameras, seed=seed), draw_rotations(instants, seed=seed + 1)
    order = [torch.randperm(cameras, generator=generator)[:views] for _ in range(instants)]
    numbers = torch.stack(order)
    return place[numbers] @ body[:, None], numbers


def shaken(rotations, angle, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (*rotations.shape[:-2], 3)
    turns = angle * torch.randn(shape, generator=generator, dtype=torch.float64)
    return roma.rotvec_to_rotmat(turns) @ rotations


def error(a, b):
    """Mean angle between rotations, degrees."""
    return float(roma.rotmat_geodesic_distance(a.double(), b.double()).mean().rad2deg())


# ---- rotations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instants", "views", "cameras"),
    [(12, 4, 4), (12, 2, 4), (6, 3, 5), (20, 2, 8), (1, 3, 3), (5, 1, 1), (3, 2, 9)],
)
def test_consistent_views_are_left_as_they_are(instants, views, cameras):
    """Also where every instant lacks some cameras, and where cameras share no instant at all."""
    for seed in range(10):
        true, numbers = scene(instants, views, cameras, seed)
        got = consensus_rotations(true, numbers)
        torch.testing.assert_close(got, true.float(), atol=2e-6, rtol=0)


def test_cameras_linked_by_a_long_chain_only():
    """Camera n shares an instant with n + 1, in no order."""
    chain = torch.tensor([[3, 4], [6, 5], [0, 1], [4, 5], [2, 1], [2, 3], [6, 7]])
    true = draw_rotations(8)[chain] @ draw_rotations(7, seed=1)[:, None]
    torch.testing.assert_close(consensus_rotations(true, chain), true.float(), atol=2e-6, rtol=0)


def test_numbers_of_cameras_that_are_not_there():
    true, numbers = scene(8, 3, 4)
    torch.testing.assert_close(
        consensus_rotations(true, 10 * numbers + 3), true.float(), atol=2e-6, rtol=0
    )


@pytest.mark.parametrize(("views", "cameras"), [(4, 4), (3, 4), (2, 3)])
def test_what_views_agree_on_is_better_than_single_views(views, cameras):
    single, together = [], []
    for seed in range(20):
        true, numbers = scene(12, views, cameras, seed)
        noisy = shaken(true, 0.25, seed)
        single.append(error(noisy, true))
        together.append(error(consensus_rotations(noisy, numbers), true))
    assert sum(together) < 0.9 * sum(single)
    if views == 4:
        assert all(a < b for a, b in zip(together, single, strict=True))
        assert sum(together) < 0.65 * sum(single)


def test_more_instants_agree_better():
    """Many instants know the cameras; what is left is the error of V views, about 1 / sqrt(V)."""
    errors = {}
    for instants in (2, 60):
        true, numbers = scene(instants, 4, 4)
        noisy = shaken(true, 0.15)
        errors[instants] = error(consensus_rotations(noisy, numbers), true) / error(noisy, true)
    assert errors[60] < errors[2]
    assert errors[60] == pytest.approx(0.5, abs=0.07)


def test_the_frame_of_world_and_body_does_not_matter():
    """Turning a camera turns what it sees; another canonical frame turns every orientation."""
    true, numbers = scene(10, 3, 4)
    noisy = shaken(true, 0.2)
    plain = consensus_rotations(noisy, numbers).double()
    turn, camera_turns = draw_rotations(1, seed=7)[0], draw_rotations(4, seed=8)
    for left, right in (
        (torch.eye(3).double(), turn),
        (turn, torch.eye(3).double()),
        (camera_turns[numbers], torch.eye(3).double()),
    ):
        got = consensus_rotations(left @ noisy @ right, numbers).double()
        torch.testing.assert_close(got, left @ plain @ right, atol=2e-6, rtol=0)
    # Nor does any single body's frame: an instant's own turn comes back as it is.
    bodies = draw_rotations(10, seed=9)[:, None]
    got = consensus_rotations(true @ bodies, numbers).double()
    torch.testing.assert_close(got, true @ bodies, atol=2e-6, rtol=0)


def test_the_order_of_instants_and_views_does_not_matter():
    true, numbers = scene(10, 4, 4)
    noisy = shaken(true, 0.2)
    order, views = torch.randperm(10), torch.randperm(4)
    plain = consensus_rotations(noisy, numbers, rounds=20)
    again = consensus_rotations(noisy[order][:, views], numbers[order][:, views], rounds=20)
    torch.testing.assert_close(again, plain[order][:, views], atol=1e-4, rtol=0)


def test_what_comes_out_is_rotations_without_gradient():
    true, numbers = scene(6, 3, 4)
    noisy = shaken(true, 1.5).float().requires_grad_()
    got = consensus_rotations(noisy, numbers)
    assert not got.requires_grad
    assert got.dtype == torch.float32
    unit = torch.eye(3).expand(6, 3, 3, 3)
    torch.testing.assert_close(got @ got.mT, unit, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(got), torch.ones(6, 3))
    # Answers depend on camera and body alone: the same relative turn at all instants.
    for a in range(4):
        for b in range(4):
            turns = [
                got[i, v] @ got[i, w].T
                for i in range(6)
                for v in range(3)
                for w in range(3)
                if numbers[i, v] == a and numbers[i, w] == b
            ]
            for turn in turns[1:]:
                torch.testing.assert_close(turn, turns[0], atol=1e-5, rtol=0)


# ---- mirror -------------------------------------------------------------------------------------


def test_a_mirrored_pose_has_the_mirrored_orientation():
    poses = make_poses(20).double() @ draw_rotations(20).mT + torch.tensor([0.3, -0.2, 4.0])
    canonical, to_canonical = canonicalise_camera_pose(poses)
    mirrored, mirrored_to_canonical = canonicalise_camera_pose(mirror(poses))
    torch.testing.assert_close(mirrored, mirror(canonical))
    orientation, wanted = to_canonical.mT, mirrored_to_canonical.mT
    m = torch.diag(torch.tensor([-1.0, 1.0, 1.0]).double())
    torch.testing.assert_close(m @ orientation @ m, wanted)
    flipped = torch.tensor([True] * 10 + [False] * 10)
    got = mirror_rotations(orientation[:, None], flipped)[:, 0]
    torch.testing.assert_close(got[:10], wanted[:10])
    assert torch.equal(got[10:], orientation[10:])
    torch.testing.assert_close(mirror_rotations(got[:, None], flipped)[:, 0], orientation)


def test_mirrored_and_plain_instants_agree_once_they_are_turned_back():
    true, numbers = scene(8, 4, 4)
    flipped = torch.arange(8) % 2 == 0
    seen = mirror_rotations(true, flipped)
    assert error(consensus_rotations(seen, numbers), seen) > 10
    upright = mirror_rotations(seen, flipped)
    assert error(consensus_rotations(upright, numbers), true) < 1e-3


# ---- joints -------------------------------------------------------------------------------------


def bodies(count, seed=0):
    """(N, 17, 3) poses with the root at the origin, float64."""
    poses = make_poses(count, seed=seed).double()
    return poses - poses[:, :1]


def readings(poses, rotations):
    """(N, V, K, 3) what cameras see of poses (N, K, 3)."""
    return poses[:, None] @ rotations.mT


def test_consistent_readings_give_the_pose():
    poses, turns = bodies(8), draw_rotations(8, 4)
    for weight in (0.05, 1.0):
        got = consensus_joints(readings(poses, turns), turns, weight)
        torch.testing.assert_close(got, poses.float(), atol=2e-6, rtol=0)
    one_view = consensus_joints(readings(poses, turns[:, :1]), turns[:, :1])
    torch.testing.assert_close(one_view, poses.float(), atol=2e-6, rtol=0)


@pytest.mark.parametrize("weight", [0.04, 0.3, 1.0])
def test_joints_against_least_squares_row_by_row(weight):
    turns = draw_rotations(5, 3)
    seen = readings(bodies(5), turns) + 0.1 * torch.randn(5, 3, 17, 3, dtype=torch.float64)
    got = consensus_joints(seen, turns, weight)
    for i in range(5):
        solved = []
        for k in range(17):
            rows, values = [], []
            for v in range(3):
                centre = seen[i, v].mean(0)
                for axis in range(3):
                    root = weight**0.5 if axis == 2 else 1.0
                    rows.append(root * turns[i, v, axis])
                    values.append(root * (seen[i, v, k, axis] - centre[axis]))
            system = torch.stack(rows), torch.stack(values)[:, None]
            solved.append(torch.linalg.lstsq(*system).solution[:, 0])
        wanted = torch.stack(solved) - solved[0]
        torch.testing.assert_close(got[i], wanted.float(), atol=1e-5, rtol=0)


def test_other_views_correct_the_depth_of_one():
    """Places are right and depths are noise: the pose is found all the same."""
    poses, turns = bodies(30), draw_rotations(30, 4)
    seen = readings(poses, turns)
    seen[..., 2] += 0.15 * torch.randn(30, 4, 17, dtype=torch.float64)
    seen = seen - seen[..., :1, :]
    single = ((seen @ turns) - poses[:, None]).norm(dim=-1).mean()
    errors = [
        (consensus_joints(seen, turns, weight).double() - poses).norm(dim=-1).mean()
        for weight in (0.01, 1.0)
    ]
    assert errors[0] < 0.1 * single
    assert errors[0] < 0.5 * errors[1]


def test_joints_turn_with_the_common_frame():
    poses, turns = bodies(6), draw_rotations(6, 3)
    seen = readings(poses, turns) + 0.1 * torch.randn(6, 3, 17, 3, dtype=torch.float64)
    frame = draw_rotations(6, seed=5)
    plain = consensus_joints(seen, turns).double()
    turned = consensus_joints(seen, turns @ frame.mT[:, None]).double()
    torch.testing.assert_close(turned, plain @ frame.mT, atol=2e-6, rtol=0)


def test_joints_have_their_root_at_the_origin_and_no_gradient():
    turns = draw_rotations(4, 3).float()
    seen = torch.randn(4, 3, 17, 3, requires_grad=True)
    got = consensus_joints(seen, turns)
    assert not got.requires_grad
    assert not got[:, 0].any()


# ---- loss ---------------------------------------------------------------------------------------

WEIGHTS = {"joints": 7.0, "reading": 3.0, "orientation": 2.0}


def inputs(instants=8, views=3, cameras=4, seed=0, noise=0.1, people=2):
    """Arguments of the loss: what a network may predict of people who take turns.

    Every second pair of instants is mirrored; with ``noise=0`` everything is right.
    """
    generator = torch.Generator().manual_seed(seed)
    person = torch.arange(instants) % people
    flipped = torch.arange(instants) // 2 % 2 == 1
    numbers = torch.stack(
        [torch.randperm(cameras, generator=generator)[:views] for _ in range(instants)]
    )
    place = draw_rotations(people, cameras, seed=seed)[person[:, None], numbers]
    upright = place @ draw_rotations(instants, seed=seed + 1)[:, None]
    poses = canonicalise_camera_pose(bodies(instants, seed))[0]
    # Mirrored pictures show mirrored people: other poses as far as the network is concerned.
    rotations = mirror_rotations(shaken(upright, noise, seed), flipped)
    joints = poses[:, None].expand(-1, views, -1, -1)
    reading = readings(poses, mirror_rotations(upright, flipped))

    def jitter(values):
        noisy = values + noise * torch.randn(values.shape, generator=generator)
        return (noisy - noisy[..., :1, :]).float()

    return {
        "joints": jitter(joints),
        "reading": jitter(reading),
        "rotations": rotations.float(),
        "cameras": numbers,
        "people": person,
        "flipped": flipped,
        "kept": torch.ones(instants, dtype=torch.bool),
    }


def slow_errors(given):
    """Targets person by person and instant by instant; differences of the kept instants."""
    errors = {name: [] for name in WEIGHTS}
    m = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    for person in given["people"].unique().tolist():
        rows = [i for i, p in enumerate(given["people"].tolist()) if p == person]
        seen = given["rotations"][rows].clone()
        for n, i in enumerate(rows):
            if given["flipped"][i]:
                seen[n] = torch.stack([m @ rotation @ m for rotation in seen[n]])
        agreed = consensus_rotations(seen, given["cameras"][rows])
        for n, i in enumerate(rows):
            if not given["kept"][i]:
                continue
            common = agreed[n]
            if given["flipped"][i]:
                common = torch.stack([m @ rotation @ m for rotation in common])
            pose = consensus_joints(given["reading"][i : i + 1], common[None])[0]
            canonical, turn = canonicalise_camera_pose(pose)
            for v, rotation in enumerate(common):
                errors["joints"].append(given["joints"][i, v] - canonical)
                wanted = torch.stack([rotation @ joint for joint in pose])
                errors["reading"].append(given["reading"][i, v] - wanted)
                errors["orientation"].append(given["rotations"][i, v] - rotation @ turn.T)
    return errors


def names_of(*parts):
    return {f"loss_consensus_{part}" for part in parts}


def test_loss_against_loops():
    given = inputs()
    given["kept"][[1, 4]] = False
    losses = ViewConsensusLoss(**WEIGHTS, start=0)(**given)
    assert set(losses) == names_of(*WEIGHTS)
    for name, errors in slow_errors(given).items():
        wanted = WEIGHTS[name] * float(torch.stack(errors).abs().mean())
        assert float(losses[f"loss_consensus_{name}"]) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(("views", "cameras"), [(4, 4), (2, 4)])
def test_right_predictions_cost_nothing_also_of_mirrored_pictures(views, cameras):
    given = inputs(12, views, cameras, noise=0.0)
    assert given["flipped"].any()
    for value in ViewConsensusLoss(start=0)(**given).values():
        assert float(value) == pytest.approx(0, abs=2e-5)
    given["flipped"] = torch.zeros_like(given["flipped"])
    assert float(ViewConsensusLoss(start=0)(**given)["loss_consensus_orientation"]) > 0.05


def test_the_same_cameras_of_another_person_stand_elsewhere():
    """Consistent for each person, but not if both were one."""
    given, loss = inputs(noise=0.0), ViewConsensusLoss(start=0)
    assert float(loss(**given)["loss_consensus_orientation"]) < 1e-5
    given["people"] = torch.zeros_like(given["people"])
    assert float(loss(**given)["loss_consensus_orientation"]) > 0.05


def test_cameras_and_people_may_have_any_numbers():
    given = inputs()
    again = {**given, "cameras": 3 * given["cameras"] + 2, "people": 5 * given["people"] + 1}
    torch.testing.assert_close(
        ViewConsensusLoss(start=0)(**again), ViewConsensusLoss(start=0)(**given)
    )


def test_turning_the_cameras_changes_nothing():
    """A camera that is turned sees everything turned; poses and costs stay."""
    given, loss = inputs(people=1), ViewConsensusLoss(**WEIGHTS, start=0)
    given["flipped"] = torch.zeros_like(given["flipped"])
    plain = loss(**given)
    # About the optical axis: places stay places and depths stay depths.
    angles = torch.linspace(-2, 2, 4)[:, None] * torch.tensor([0.0, 0.0, 1.0])
    turns = roma.rotvec_to_rotmat(angles)[given["cameras"]]
    turned = {**given, "rotations": turns @ given["rotations"]}
    turned["reading"] = given["reading"] @ turns.mT
    turned = loss(**turned)
    name = "loss_consensus_joints"
    torch.testing.assert_close(turned[name], plain[name], atol=1e-5, rtol=1e-4)


def test_targets_carry_no_gradient():
    given = inputs()
    leaf = {n: given[n].clone().requires_grad_() for n in ("joints", "reading", "rotations")}
    sum(ViewConsensusLoss(**WEIGHTS, start=0)(**{**given, **leaf}).values()).backward()
    errors = slow_errors(given)
    # Of |x - constant| alone; through the targets there would be more. Instants in their order.
    order = torch.argsort(given["people"], stable=True)
    for name, part in (("joints", "joints"), ("reading", "reading"), ("rotations", "orientation")):
        difference = torch.stack(errors[part]).unflatten(0, (8, 3))
        wanted = WEIGHTS[part] * difference.sign() / difference.numel()
        gradient = leaf[name].grad[order]
        # Differences of nearly nothing, such as the root's, have any sign.
        clear = difference.abs() > 1e-5
        torch.testing.assert_close(gradient[clear], wanted[clear])


def test_only_kept_instants_are_pulled():
    given = inputs()
    given["kept"][[1, 4]] = False
    names = ("joints", "reading", "rotations")
    leaf = {name: given[name].clone().requires_grad_() for name in names}
    sum(ViewConsensusLoss(start=0)(**{**given, **leaf}).values()).backward()
    for name in names:
        pulled = leaf[name].grad.flatten(1).any(-1)
        assert torch.equal(pulled, given["kept"])


def test_pulling_brings_views_nearer_to_the_truth():
    """Free predictions that follow the loss."""
    truth, given = inputs(16, 4, 4, noise=0.0), inputs(16, 4, 4, noise=0.08)
    for name in ("joints", "reading"):
        leaf = given[name].clone().requires_grad_()
        optimizer = torch.optim.Adam([leaf], lr=0.01)
        loss = ViewConsensusLoss(start=0)
        for _ in range(30):
            optimizer.zero_grad()
            loss(**{**given, name: leaf})[f"loss_consensus_{name}"].backward()
            optimizer.step()
        before = (given[name] - truth[name]).abs().mean()
        assert (leaf - truth[name]).abs().mean() < 0.85 * before


def test_nothing_is_kept():
    given = inputs()
    given["kept"][:] = False
    assert ViewConsensusLoss(start=0)(**given) == {}


def test_it_is_silent_first_and_reaches_its_weight_step_by_step():
    given = inputs()
    full = {name: float(value) for name, value in ViewConsensusLoss(start=0)(**given).items()}
    loss = ViewConsensusLoss(start=4)
    for step in range(1, 13):
        part = min(max(step / 4 - 1, 0), 1)
        losses = loss(**given)
        assert (losses == {}) == (step <= 4)
        for name, value in losses.items():
            assert float(value) == pytest.approx(part * full[name], rel=1e-5)
    assert int(loss.steps) == 12


def test_the_ramp_goes_on_after_a_restart_and_stands_still_in_evaluation():
    given, loss = inputs(), ViewConsensusLoss(start=2)
    for _ in range(3):
        loss(**given)
    resumed = ViewConsensusLoss(start=2)
    resumed.load_state_dict(loss.state_dict())
    resumed.eval()
    half = resumed(**given)
    assert int(resumed.steps) == 3
    torch.testing.assert_close(half, resumed(**given))
    for name, value in ViewConsensusLoss(start=0)(**given).items():
        assert float(half[name]) == pytest.approx(0.5 * float(value), rel=1e-5)


def test_mixed_precision_rounds_no_target():
    given, loss = inputs(), ViewConsensusLoss(start=0)
    names = ("joints", "reading", "rotations", "cameras", "people", "flipped", "kept")
    plain = loss(*(given[name] for name in names))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(*(given[name] for name in names))
    torch.testing.assert_close(mixed, plain)


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_parts_can_be_left_out(name):
    config = {"type": "part_synth.ViewConsensusLoss", "start": 0}
    config |= {other: 0.0 for other in WEIGHTS if other != name}
    assert set(MODELS.build(config)(**inputs())) == names_of(name)


# ---- poses --------------------------------------------------------------------------------------


def test_agreed_poses_turn_with_the_cameras():
    """No world frame, no calibration: what is agreed on moves with every camera."""
    place, numbers = draw_rotations(4), torch.arange(4).expand(6, 4)
    poses = make_poses(6)
    noise = 0.05 * torch.randn(6, 4, 17, 3, generator=torch.Generator().manual_seed(0))
    seen = poses[:, None] @ place.float().mT + noise
    seen = seen - seen[..., :1, :]
    turn = draw_rotations(4, seed=9).float()
    agreed = agreed_poses(seen, numbers)
    torch.testing.assert_close(
        agreed_poses(seen @ turn.mT, numbers), agreed @ turn.mT, atol=1e-4, rtol=0
    )
    true = (poses - poses[:, :1])[:, None] @ place.float().mT
    assert (agreed - true).norm(dim=-1).mean() < 0.7 * (seen - true).norm(dim=-1).mean()
    assert not agreed_poses(seen.requires_grad_(), numbers).requires_grad


def test_disagreement_is_how_far_views_lie_from_their_mean():
    place = draw_rotations(4).float()
    poses = make_poses(6)
    seen = (poses - poses[:, :1])[:, None] @ place.mT
    assert view_disagreement(seen).max() < 1e-3
    # One of four views reads the person larger: 3/4 of the change there, 1/4 in each other view.
    large = seen.clone()
    large[2, 1] *= 1.2
    off = view_disagreement(large)
    expected = 0.2 * (3 / 4 + 3 * 1 / 4) / 4 * seen[2, 1].norm(dim=-1).mean()
    assert off[2] == pytest.approx(float(expected), rel=1e-3)
    assert off[[0, 1, 3, 4, 5]].max() < 1e-3
    # Neither cameras nor the place of the root change it.
    turned = large @ draw_rotations(4, seed=3).float().mT + 5.0
    torch.testing.assert_close(view_disagreement(turned), off, atol=1e-4, rtol=0)
    assert view_disagreement(large[:, :1]).max() < 1e-6
    assert not view_disagreement(large.requires_grad_()).requires_grad
