import math

import numpy as np
import pytest
import torch
from part_synth.models import (
    CropCamera,
    ForegroundLoss,
    MultiScaleL1Loss,
    PartSegmentationLoss,
    PoseEncoding,
    PoseReadingLoss,
    ReadingTieLoss,
)
from part_synth.models.losses import foreground_evidence
from part_synth.models.losses.pose_losses import heat_map_cross_entropy
from part_synth.models.puppet import PartMaps

RNG = np.random.default_rng(0)
WEIGHTS = {
    "joints_body": 10.0,
    "joints_cam": 1.0,
    "points": 10.0,
    "azimuth": 1.0,
    "elevation": 5.0,
    "heat": 18.0,
    "heat_maps": 2.0,
}


def draw(*shape, low=-1.0):
    return torch.as_tensor(RNG.uniform(low, 1.0, shape))


def blocks(array, scale):
    """Means of scale x scale blocks of the last two axes, by loops."""
    height, width = (n // scale for n in array.shape[-2:])
    pooled = np.zeros((*array.shape[:-2], height, width))
    for y in range(height):
        for x in range(width):
            block = array[..., y * scale : (y + 1) * scale, x * scale : (x + 1) * scale]
            pooled[..., y, x] = block.mean((-1, -2))
    return pooled


@pytest.mark.parametrize("weighted", [False, True])
def test_multi_scale_l1_against_loops(weighted):
    pred, target, weight = draw(2, 3, 8, 8), draw(2, 3, 8, 8), draw(2, 1, 8, 8, low=0.0)
    loss = MultiScaleL1Loss((1, 2, 4), loss_weight=1.5)(pred, target, weight if weighted else None)
    mask = weight.numpy() if weighted else np.ones((2, 1, 8, 8))
    difference = (pred - target).numpy() * mask
    wanted = [
        np.abs(blocks(difference[b], scale)).mean() / mask[b].mean()
        for b in range(2)
        for scale in (1, 2, 4)
    ]
    assert float(loss) == pytest.approx(1.5 * np.mean(wanted))


def test_multi_scale_l1_counts_small_people_as_much_as_large_ones():
    pred, target = torch.ones(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    small, large = torch.zeros(2, 1, 1, 16, 16)
    small[..., :4, :4] = 1
    large[..., :12, :12] = 1
    loss = MultiScaleL1Loss()
    assert float(loss(pred, target, small)) == pytest.approx(float(loss(pred, target, large)))
    assert float(loss(pred, target, torch.zeros_like(small))) == 0


def smooth(array):
    """Mean over the 3 x 3 neighbours that exist."""
    height, width = array.shape[-2:]
    result = np.zeros_like(array)
    for y in range(height):
        for x in range(width):
            near = array[..., max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            result[..., y, x] = near.mean((-1, -2))
    return result


def test_foreground_loss_against_loops():
    loss = ForegroundLoss(threshold=0.3, softness=0.1, scales=(1, 2), loss_weight=2.0)
    foreground, images, backgrounds = draw(2, 8, 8, low=0), draw(2, 3, 8, 8), draw(2, 3, 8, 8)
    backgrounds = images + 0.5 * backgrounds
    difference = smooth(np.abs((images - backgrounds).numpy()).max(1))
    evidence = 1 / (1 + np.exp(-(difference - 0.3) / 0.1))
    found = foreground_evidence(images, backgrounds, 0.3, 0.1)
    assert found[:, 0].numpy() == pytest.approx(evidence)
    wanted = []
    for scale in (1, 2):
        a, b = blocks(foreground.numpy(), scale), blocks(evidence, scale)
        for one, two in zip(a, b, strict=True):
            wanted.append(1 - np.minimum(one, two).sum() / np.maximum(one, two).sum())
    result = loss(foreground, images, backgrounds)
    assert float(result) == pytest.approx(2 * np.mean(wanted))


def test_foreground_loss_is_zero_where_the_puppet_is_the_evidence():
    loss = ForegroundLoss()
    images, backgrounds = draw(3, 3, 16, 16), draw(3, 3, 16, 16)
    evidence = foreground_evidence(images, backgrounds)[:, 0]
    assert float(loss(evidence, images, backgrounds)) == pytest.approx(0, abs=1e-6)
    assert float(loss(1 - evidence, images, backgrounds)) > 0.3


@pytest.mark.parametrize("shift", [(0.25, 0.0), (-0.25, 0.0), (0.0, 0.2), (0.15, -0.15)])
def test_foreground_loss_moves_a_displaced_puppet_to_the_person(puppet, scene, shift):
    points, depths, scale = scene[:3]
    person = puppet(points, depths, scale, (32, 32), blur=0.5).foreground
    backgrounds = torch.full((4, 3, 32, 32), -0.5)
    images = backgrounds + 1.2 * person[:, None]
    offset = torch.tensor(shift).repeat(4, 1).requires_grad_()
    maps = puppet(points + offset[:, None], depths, scale, (32, 32), blur=1.0)
    ForegroundLoss()(maps.foreground, images, backgrounds).backward()
    for row in range(4):
        step = 0.05 * offset.grad[row] / offset.grad[row].norm()
        assert (offset[row] - step).norm() < offset[row].norm() - 0.02


def part_maps():
    parts = draw(2, 15, 6, 6).softmax(1)
    certain = torch.ones(2, 6, 6).double()
    certain[:, 2:4] = 0
    return PartMaps(parts, parts[:, 1:], 1 - parts[:, 0], certain)


def test_segmentation_loss_against_loops():
    maps, logits = part_maps(), draw(2, 15, 6, 6)
    total, count = 0.0, 0
    for b in range(2):
        for y in (0, 1, 4, 5):
            for x in range(6):
                scores = np.exp(logits[b, :, y, x].numpy())
                target = maps.parts[b, :, y, x].numpy()
                total -= (target * np.log(scores / scores.sum())).sum()
                count += 1
    loss = PartSegmentationLoss(loss_weight=0.7)(logits, maps)
    assert float(loss) == pytest.approx(0.7 * total / count)


def test_segmentation_loss_ignores_the_uncertain_band_and_the_maps_gradient():
    maps, logits = part_maps(), draw(2, 15, 6, 6).requires_grad_()
    maps.parts.requires_grad_()
    loss = PartSegmentationLoss()(logits, maps)
    loss.backward()
    assert (logits.grad[:, :, 2:4] == 0).all()
    assert (logits.grad[:, :, :2] != 0).all()
    assert maps.parts.grad is None
    changed = logits.detach().clone()
    changed[:, :, 2:4] += 5 * draw(2, 15, 2, 6)
    assert float(PartSegmentationLoss()(changed, maps)) == pytest.approx(float(loss.detach()))
    maps.certain.zero_()
    assert float(PartSegmentationLoss()(changed, maps)) == 0


def reading(batch=4):
    """An encoding and the truth that it states exactly: decoded, joints, points, camera."""
    torch.manual_seed(2)
    angles = torch.tensor([0.3, -2.0, 3.0, 1.0])[:batch]
    body, cam = torch.randn(2, batch, 17, 3)
    points = torch.randn(batch, 17, 2)
    elevation = torch.full((batch,), 0.2)
    zeros = torch.zeros(batch)
    encoding = PoseEncoding(
        code=torch.zeros(batch, 8),
        view=0.4 * torch.stack([angles.sin(), angles.cos()], dim=-1),
        elevation=elevation.clone(),
        roll=zeros,
        scale=zeros + 1,
        offset=torch.zeros(batch, 2),
        heat_points=points.clone(),
        heat_depths=cam[..., 2].clone(),
        heat_logits=torch.randn(batch, 17, 6, 8),
    )
    decoded = {"joints_body": body.clone(), "joints_cam": cam.clone(), "points": points.clone()}
    camera = CropCamera(angles, elevation, zeros, zeros + 1, torch.zeros(batch, 2), 4.5)
    truth = {"joints_cam": cam, "points": points, "joints_body": body, "camera": camera}
    return encoding, decoded, truth


def test_perfect_reading_costs_nothing():
    encoding, decoded, truth = reading()
    losses = PoseReadingLoss(**WEIGHTS)(encoding, decoded, **truth)
    names = ("joints_body", "joints_cam", "points", "azimuth", "elevation", "heat", "heat_maps")
    assert set(losses) == {f"loss_{name}" for name in names}
    heat_maps = heat_map_cross_entropy(encoding.heat_logits, truth["points"])
    assert float(losses.pop("loss_heat_maps")) == pytest.approx(2 * float(heat_maps))
    for value in losses.values():
        assert float(value) == pytest.approx(0, abs=1e-6)


def errors():
    """Each term: what to change in the reading, and what that must cost, weight included."""

    def body(encoding, decoded):
        decoded["joints_body"][:, 3, 1] += 0.17

    def cam(encoding, decoded):
        decoded["joints_cam"][..., 0] -= 0.3

    def points(encoding, decoded):
        decoded["points"][0] += 0.2

    def azimuth(encoding, decoded):
        angle = torch.atan2(encoding.view[:, 0], encoding.view[:, 1]) + 2.0
        encoding.view = 3 * torch.stack([angle.sin(), angle.cos()], dim=-1)

    def elevation(encoding, decoded):
        encoding.elevation = encoding.elevation + torch.tensor([0.1, -0.1, 0.0, 0.2])

    def places(encoding, decoded):
        encoding.heat_points = encoding.heat_points + 0.3

    def depth(encoding, decoded):
        encoding.heat_depths = encoding.heat_depths - 0.3

    return [
        (body, "joints_body", 10 * 0.17 / 51),
        (cam, "joints_cam", 0.1),
        (points, "points", 10 * 0.05),
        (azimuth, "azimuth", 1 - math.cos(2.0)),
        (elevation, "elevation", 5 * 0.1),
        # The sum of weight / 3 over x, y and depth.
        (places, "heat", 18 * 0.2),
        (depth, "heat", 18 * 0.1),
    ]


@pytest.mark.parametrize(("change", "name", "cost"), errors())
def test_each_error_costs_what_it_should_and_nothing_else(change, name, cost):
    encoding, decoded, truth = reading()
    change(encoding, decoded)
    losses = PoseReadingLoss(**{**WEIGHTS, "heat_maps": 0.0})(encoding, decoded, **truth)
    for key, value in losses.items():
        wanted = cost if key == f"loss_{name}" else 0.0
        assert float(value) == pytest.approx(wanted, rel=1e-4, abs=1e-6), key


def test_terms_without_truth_or_weight_are_left_out():
    encoding, decoded, truth = reading()
    truth.pop("joints_body")
    truth.pop("camera")
    losses = PoseReadingLoss(**{**WEIGHTS, "heat": 0.0})(encoding, decoded, **truth)
    assert set(losses) == {"loss_joints_cam", "loss_points", "loss_heat_maps"}


def test_view_of_length_zero_has_a_finite_gradient():
    encoding, decoded, truth = reading()
    encoding.view = torch.zeros(4, 2, requires_grad=True)
    PoseReadingLoss(**WEIGHTS)(encoding, decoded, **truth)["loss_azimuth"].backward()
    assert encoding.view.grad.isfinite().all()
    assert encoding.view.grad.abs().max() > 0


def test_heat_map_cross_entropy_against_loops():
    logits, points = draw(2, 3, 5, 7), 1.2 * draw(2, 3, 2)
    total = 0.0
    for b in range(2):
        for k in range(3):
            scores = np.exp(logits[b, k].numpy())
            # Pixels of the map, at most on its edge.
            x = min(max((float(points[b, k, 0]) + 1) * 3.5 - 0.5, 0), 6)
            y = min(max((float(points[b, k, 1]) + 1) * 2.5 - 0.5, 0), 4)
            target = np.array(
                [
                    [math.exp(-((i - x) ** 2 + (j - y) ** 2) / 1.28) for i in range(7)]
                    for j in range(5)
                ]
            )
            total -= (target / target.sum() * np.log(scores / scores.sum())).sum()
    assert float(heat_map_cross_entropy(logits, points)) == pytest.approx(total / 6)


def test_heat_map_cross_entropy_is_least_at_the_place():
    """Logits that follow its gradient end as a Gaussian at the place."""
    point = torch.tensor([[[0.3, -0.5]]])
    logits = torch.zeros(1, 1, 10, 10, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        heat_map_cross_entropy(logits, point).backward()
        optimizer.step()
    weights = logits.detach().flatten().softmax(0).unflatten(0, (10, 10))
    places = (torch.arange(10) + 0.5) / 5 - 1
    assert float(weights.sum(0) @ places) == pytest.approx(0.3, abs=0.02)
    assert float(weights.sum(1) @ places) == pytest.approx(-0.5, abs=0.02)


def test_tie_of_both_readings():
    encoding, _, truth = reading()
    tie = ReadingTieLoss(loss_weight=6.0)
    points, depths = truth["points"].clone(), truth["joints_cam"][..., 2].clone()
    assert float(tie(encoding, points, depths)) == 0
    assert float(tie(encoding, points + 0.3, depths)) == pytest.approx(6 * 0.2, rel=1e-4)
    assert float(tie(encoding, points, depths - 0.3)) == pytest.approx(6 * 0.1, rel=1e-4)
    encoding.heat_points.requires_grad_()
    points.requires_grad_()
    tie(encoding, points + 0.1, depths).backward()
    torch.testing.assert_close(points.grad, -encoding.heat_points.grad)
    assert points.grad.abs().min() > 0
