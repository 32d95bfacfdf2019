from types import SimpleNamespace

import pytest
import roma
import torch
from part_synth.geometry import canonicalise_camera_pose
from part_synth.models.losses.pose_losses import heat_map_cross_entropy
from part_synth.models.metric import CanonicalPoseLoss
from part_synth.registry import MODELS
from tiny_part_synth import make_poses

TERMS = ("canonical", "joints_cam", "reading", "orientation", "heat", "heat_maps")
# Of what the loss compares, by its name among the predictions of `perfect`.
INPUTS = ("joints", "rotations", "reading", "heat_points", "heat_depths", "heat_logits")


def labels(count=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    turns = roma.random_rotmat(count, generator=generator)
    joints = make_poses(count, seed=seed) @ turns.mT + torch.tensor([0.2, -0.1, 4.0])
    points = torch.rand(count, 17, 2, generator=generator) - 0.5
    return {"joints_cam": joints, "points": points, "weight": torch.ones(count)}


def perfect(truth, size=12):
    """Predictions that are the labels; heat maps are the logarithms of their targets."""
    relative = truth["joints_cam"] - truth["joints_cam"][:, :1]
    canonical, rotation = canonicalise_camera_pose(relative)
    cells = torch.arange(size)

    def profile(place):
        place = (place + 1) * (size / 2) - 0.5
        return -0.5 * ((cells - place[..., None]) / 0.8) ** 2

    points = truth["points"]
    logits = profile(points[..., 1])[..., :, None] + profile(points[..., 0])[..., None, :]
    return {
        "joints": canonical,
        "rotations": rotation.mT.contiguous(),
        "reading": relative,
        "heat_points": points.clone(),
        "heat_depths": relative[..., 2].clone(),
        "heat_logits": logits,
    }


def rough(truth, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value + 0.3 * torch.randn(value.shape, generator=generator)
        for name, value in perfect(truth).items()
    }


def run(loss, predicted, truth):
    features = {n: predicted[n] for n in ("heat_points", "heat_depths", "heat_logits")}
    encoded = SimpleNamespace(reading=predicted["reading"], features=SimpleNamespace(**features))
    return loss(predicted["joints"], predicted["rotations"], encoded, **truth)


def test_perfect_predictions_cost_nothing():
    truth = labels()
    losses = run(CanonicalPoseLoss(), perfect(truth), truth)
    assert set(losses) == {f"loss_{name}" for name in TERMS}
    # The least value of a cross-entropy is the target's own entropy.
    maps = perfect(truth)["heat_logits"].flatten(2).log_softmax(-1)
    entropy = -(maps.exp() * maps).sum(-1).mean()
    assert float(losses.pop("loss_heat_maps")) == pytest.approx(4.0 * float(entropy), rel=1e-5)
    for value in losses.values():
        assert float(value) == pytest.approx(0, abs=2e-5)


def test_each_term_sees_its_own_prediction():
    truth, loss = labels(), CanonicalPoseLoss()
    touched = {
        "joints": {"canonical", "joints_cam"},
        "rotations": {"joints_cam", "orientation"},
        "reading": {"reading"},
        "heat_points": {"heat"},
        "heat_depths": {"heat"},
        "heat_logits": {"heat_maps"},
    }
    best = run(loss, perfect(truth), truth)
    for name, terms in touched.items():
        predicted = {**perfect(truth), name: rough(truth)[name]}
        losses = run(loss, predicted, truth)
        worse = {term for term in TERMS if losses[f"loss_{term}"] > best[f"loss_{term}"] + 1e-3}
        assert worse == terms


WEIGHTS = {
    "canonical": 9.0,
    "joints_cam": 4.0,
    "reading": 3.0,
    "orientation": 2.0,
    "heat": 6.0,
    "heat_maps": 1.5,
}


def slow(predicted, truth):
    """Every term frame by frame, the weighted mean over frames."""
    totals, whole = dict.fromkeys(TERMS, 0.0), float(truth["weight"].sum())
    for b, weight in enumerate((truth["weight"] / whole).tolist()):
        if weight == 0:
            continue
        cam = truth["joints_cam"][b] - truth["joints_cam"][b, 0]
        canonical, rotation = canonicalise_camera_pose(cam)
        turned = [predicted["rotations"][b] @ joint for joint in predicted["joints"][b]]
        points = truth["points"][b]
        differences = {
            "canonical": predicted["joints"][b] - canonical,
            "joints_cam": torch.stack(turned) - cam,
            "reading": predicted["reading"][b] - cam,
            "orientation": predicted["rotations"][b] - rotation.T,
        }
        for name, difference in differences.items():
            totals[name] += weight * float(difference.abs().mean())
        places = float((predicted["heat_points"][b] - points).abs().mean())
        depths = float((predicted["heat_depths"][b] - cam[:, 2]).abs().mean())
        totals["heat"] += weight * (2 * places + depths) / 3
        maps = heat_map_cross_entropy(predicted["heat_logits"][b : b + 1], points[None])
        totals["heat_maps"] += weight * float(maps)
    return {f"loss_{name}": WEIGHTS[name] * value for name, value in totals.items()}


@pytest.mark.parametrize(
    "weight",
    [[1, 1, 1, 1, 1, 1], [1, 0, 0, 1, 0, 1], [1, 0.3, 0, 0.3, 0, 1], [0, 0, 0.2, 0, 0, 0]],
)
def test_against_loops(weight):
    truth = labels()
    truth["weight"] = torch.tensor(weight, dtype=torch.float32)
    predicted = rough(truth)
    losses = run(CanonicalPoseLoss(**WEIGHTS), predicted, truth)
    wanted = slow(predicted, truth)
    assert set(losses) == set(wanted)
    for name, value in losses.items():
        assert float(value) == pytest.approx(wanted[name], rel=1e-4)


@pytest.mark.parametrize("hidden", [[1, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]])
def test_unlabelled_frames_touch_neither_loss_nor_gradient(hidden):
    whole, loss = labels(), CanonicalPoseLoss(**WEIGHTS)
    open_frames = [b for b in range(6) if b not in hidden]
    truth = {name: value.clone() for name, value in whole.items()}
    for name in ("joints_cam", "points"):
        truth[name][hidden] = torch.nan
    truth["weight"][hidden] = 0
    leaf = {name: value.clone().requires_grad_() for name, value in rough(whole).items()}
    losses = run(loss, leaf, truth)
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())
    for name in INPUTS:
        gradient = leaf[name].grad
        if gradient is None:
            assert not open_frames
            continue
        assert gradient.isfinite().all()
        assert not gradient[hidden].any()
        assert gradient[open_frames].flatten(1).any(-1).all()
    if open_frames:
        alone = run(
            loss,
            {name: value[open_frames] for name, value in rough(whole).items()},
            {name: value[open_frames] for name, value in whole.items()},
        )
        torch.testing.assert_close(losses, alone)
    else:
        assert float(sum(losses.values()).detach()) == 0
        # Pose and orientation still have a gradient, for training on several processes.
        assert leaf["joints"].grad is not None
        assert leaf["rotations"].grad is not None


def test_a_pseudo_label_counts_as_much_as_its_weight_says():
    """A wrong pseudo-label of a third of the weight does a third of the harm, in every term."""
    truth, loss = labels(2), CanonicalPoseLoss()
    predicted = perfect(truth)
    for name, value in rough(truth).items():
        predicted[name] = torch.stack([predicted[name][0], value[1]])
    best = run(loss, perfect(truth), truth)["loss_heat_maps"]

    def harm(weight):
        losses = run(loss, predicted, {**truth, "weight": torch.tensor([1.0, weight])})
        return {name: float(value) for name, value in losses.items()}

    full, part, none = harm(1.0), harm(1 / 3), harm(1e-6)
    for name in full:
        assert part[name] - none[name] == pytest.approx((full[name] - none[name]) / 2, rel=2e-3)
    assert full["loss_heat_maps"] > float(best)


def test_the_world_and_the_camera_do_not_matter_for_the_canonical_target():
    """Turning and moving what the camera sees leaves the canonical target as it is."""
    truth = labels()
    loss = CanonicalPoseLoss()
    predicted = perfect(truth)
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        turn = roma.random_rotmat(generator=generator)
        moved = {**truth, "joints_cam": truth["joints_cam"] @ turn.T + torch.randn(3)}
        losses = run(loss, predicted, moved)
        assert float(losses["loss_canonical"]) == pytest.approx(0, abs=2e-5)
        assert losses["loss_orientation"] > 1e-3
        # The orientation is turned with it, so that the product is the pose the camera sees.
        turned = {**predicted, "rotations": turn @ predicted["rotations"]}
        losses = run(loss, turned, moved)
        assert float(losses["loss_orientation"]) == pytest.approx(0, abs=2e-5)
        assert float(losses["loss_joints_cam"]) == pytest.approx(0, abs=2e-5)


def test_mixed_precision_rounds_nothing():
    truth = labels()
    plain = run(CanonicalPoseLoss(), rough(truth), truth)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run(CanonicalPoseLoss(), rough(truth), truth)
    torch.testing.assert_close(mixed, plain)


@pytest.mark.parametrize("name", TERMS)
def test_terms_can_be_left_out(name):
    config = {"type": "part_synth.CanonicalPoseLoss"}
    config |= {other: 0.0 for other in TERMS if other != name}
    truth = labels()
    losses = run(MODELS.build(config), rough(truth), truth)
    assert set(losses) == {f"loss_{name}"}
    assert float(losses[f"loss_{name}"]) > 0
