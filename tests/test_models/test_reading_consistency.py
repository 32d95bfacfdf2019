import math

import pytest
import torch
from mmpose.structures import PoseDataSample
from part_synth.models.objectives.reading_consistency import (
    CropChange,
    ReadingConsistency,
    shows_one_instant,
)
from part_synth.models.view import CropCamera
from tiny_part_synth import SIZE, Sealed, floats, make_poses


class Frames(Sealed):
    """A sample of which only the meta information may be read."""

    def __init__(self, **meta):
        self.metainfo = meta


VIDEO = {"camera": "cam0", "clip": "walk", "frame": [1, 5]}
VIEWS = {"camera": ["cam0", "cam1"], "clip": "walk", "frame": [3, 3]}


def change(angle=0.0, factor=1.0, shift=(0.0, 0.0), batch=1):
    angle = torch.full((batch,), angle)
    cos, sin = factor * angle.cos(), factor * angle.sin()
    matrix = torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))
    return CropChange(matrix, torch.tensor([shift]).expand(batch, 2), angle)


@pytest.mark.parametrize(
    "how",
    [
        change(),
        change(angle=0.4),
        change(factor=1.3),
        change(shift=(0.2, -0.1)),
        change(angle=-0.3, factor=0.8, shift=(-0.1, 0.15)),
    ],
)
def test_points_stay_on_what_the_image_shows(how):
    """A bright dot, found again in the changed image, lies where `points` says."""
    place = torch.tensor([[[0.25, -0.35]]])
    grid = (torch.arange(128) + 0.5) / 64 - 1
    dot = torch.exp(-((grid - 0.25) ** 2 + (grid[:, None] + 0.35) ** 2) / (2 * 0.04**2))
    moved = how.images(dot.expand(1, 3, 128, 128))[0, 0]
    weight = moved / moved.sum()
    found = torch.stack([(weight.sum(0) * grid).sum(), (weight.sum(1) * grid).sum()])
    torch.testing.assert_close(found, how.points(place)[0, 0], atol=0.01, rtol=0)


def test_joints_turn_as_their_projections_do():
    joints = make_poses(1, seed=3)
    camera = CropCamera(*torch.zeros(3, 1), torch.tensor([0.8]), torch.zeros(1, 2), 1e6)
    how = change(angle=0.5)
    seen = camera.project(how.turn(camera.rotate(joints)))
    torch.testing.assert_close(seen, how.points(camera.project(camera.rotate(joints))))


def test_drawn_changes_keep_their_bounds():
    torch.manual_seed(0)
    how = CropChange.draw(torch.zeros(500, 1), scale=0.2, shift=0.1, roll=0.3)
    factor = torch.linalg.det(how.matrix).sqrt()
    assert 0.15 < factor.log().abs().max() <= 0.2 + 1e-5
    assert 0.09 < how.shift.abs().max() <= 0.1
    assert 0.28 < how.angle.abs().max() <= 0.3
    assert abs(float(how.angle.mean())) < 0.03


def test_an_unchanged_frame_agrees_with_itself(model, batch):
    """No change of crop, light or scene, no dropout: the target is the reading itself."""
    model.encoder.background_dropout = 0.0
    objective = ReadingConsistency(scale=0, shift=0, roll=0, withhold=0, colour=0)
    inputs = {"image": floats(batch)["image"]}
    with torch.no_grad():
        losses = objective.loss(model, inputs, [Frames(**VIDEO)] * 2)
    assert float(losses["loss_joints_cam"]) < 1e-5
    assert float(losses["loss_points"]) < 1e-5
    objective.scale = objective.shift = objective.roll = 0.3
    with torch.no_grad():
        losses = objective.loss(model, inputs, [Frames(**VIDEO)] * 2)
    assert float(losses["loss_points"]) > 1e-3


def test_the_target_gets_no_gradient_and_the_encoder_trains_on(model, batch):
    objective = ReadingConsistency()
    model.train()
    losses = objective.loss(model, floats(batch), [Frames(**VIDEO)] * 2)
    assert model.encoder.training
    sum(losses.values()).backward()
    assert model.encoder.code_head.weight.grad.abs().sum() > 0


def test_views_of_one_instant_share_their_mean_pose(model, batch, monkeypatch):
    seen = {}
    objective = ReadingConsistency()
    loss = objective.reading_loss.forward
    monkeypatch.setattr(
        objective.reading_loss, "forward", lambda *a, **k: seen.update(k) or loss(*a, **k)
    )
    model.eval()
    with torch.no_grad():
        inputs = floats(batch)
        read = model.read(inputs["image"].flatten(0, 1), inputs["background"].flatten(0, 1))
    objective.loss(model, inputs, [Frames(**VIEWS), Frames(**VIDEO)])
    poses, wanted = (
        seen["joints_body"].unflatten(0, (2, 2)),
        read["joints_body"].unflatten(0, (2, 2)),
    )
    torch.testing.assert_close(poses[0], wanted[0].mean(0).expand(2, -1, -1))
    torch.testing.assert_close(poses[1], wanted[1])


@pytest.mark.parametrize(("mirror", "flip_test"), [(True, False), (False, True), (None, True)])
def test_left_right_consistency_has_a_switch(model, batch, monkeypatch, mirror, flip_test):
    seen = {}
    model.flip_test = flip_test
    objective = ReadingConsistency(mirror=mirror)
    loss = objective.reading_loss.forward
    monkeypatch.setattr(
        objective.reading_loss, "forward", lambda *a, **k: seen.update(k) or loss(*a, **k)
    )
    inputs = floats(batch)
    objective.loss(model, inputs, [Frames(**VIDEO)] * 2)
    wanted = flip_test if mirror is None else mirror
    model.eval()
    with torch.no_grad():
        flat = inputs["image"].flatten(0, 1), inputs["background"].flatten(0, 1)
        targets = {flip: model.read(*flat, flip=flip)["joints_body"] for flip in (True, False)}
    torch.testing.assert_close(seen["joints_body"], targets[wanted])
    assert not torch.allclose(targets[True], targets[False])


@pytest.mark.parametrize("nothing", [0, None])
def test_consistency_without_losses_is_refused(nothing):
    with pytest.raises(ValueError, match="would teach nothing"):
        ReadingConsistency(reading_loss=None, parts_weight=nothing)
    assert ReadingConsistency(parts_weight=nothing).parts_weight == 0


@pytest.mark.parametrize(
    ("meta", "together"),
    [
        (VIEWS, True),
        (VIDEO, False),
        ({**VIEWS, "frame": [3, 4]}, False),
        ({**VIEWS, "clip": ["walk", "run"]}, False),
        ({"camera": "cam0", "clip": "walk", "frame": [3]}, False),
    ],
)
def test_what_shows_one_instant(meta, together):
    assert shows_one_instant(PoseDataSample(metainfo=meta)) is together


def test_frames_without_background(model, batch):
    losses = ReadingConsistency().loss(
        model, {"image": floats(batch)["image"]}, [Frames(**VIDEO)] * 2
    )
    assert all(math.isfinite(float(value)) for value in losses.values())


def test_size_is_kept():
    how = CropChange.draw(torch.zeros(2, 1), 0.1, 0.1, 0.1)
    assert how.images(torch.zeros(2, 3, SIZE, SIZE)).shape == (2, 3, SIZE, SIZE)
    maps = torch.full((2, 4, 8, 8), 0.25)
    assert how.images(maps).sum(1).max() <= 1 + 1e-5
