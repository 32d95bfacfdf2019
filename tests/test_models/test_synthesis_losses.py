"""Losses of novel image synthesis that can be switched on and off."""

import pytest
import torch
import torch.nn.functional as F
from part_synth.models import (
    Appearance,
    AppearanceCycleLoss,
    ForegroundReadingLoss,
    NovelImageSynthesis,
    PartAgreementLoss,
    PartReadingLoss,
    PerceptualLoss,
    PuppetFit,
    RandomFeatures,
    UnpairedPoseAdversary,
)
from part_synth.models.losses import foreground_evidence
from part_synth.models.objectives.base import (
    backgrounds_known,
    beside_the_person,
    flat_frames,
    scenes_of,
)
from part_synth.models.puppet import PartMaps
from tiny_part_synth import Sealed, floats, make_poses, with_head

TERMS = {
    "reconstruction": "loss_reconstruction",
    "flat_reconstruction": "loss_flat",
    "foreground": "loss_foreground",
    "segmentation": "loss_segmentation",
    "tie": "loss_tie",
}


def maps_of(parts):
    ones = torch.ones_like(parts[:, 0])
    return PartMaps(parts, parts[:, 1:], 1 - parts[:, 0], ones)


@pytest.mark.parametrize("name", TERMS)
def test_every_loss_can_be_left_out(model, batch, name):
    every = NovelImageSynthesis().loss(model, floats(batch), [Sealed()] * 2)
    fewer = NovelImageSynthesis(**{name: None}).loss(model, floats(batch), [Sealed()] * 2)
    assert set(every) - set(fewer) == {TERMS[name]}


@pytest.mark.parametrize("name", ["agreement", "reading"])
def test_losses_of_the_part_head_can_be_left_out(fit, batch, name):
    model = with_head(fit)
    every = NovelImageSynthesis().loss(model, floats(batch), [Sealed()] * 2)
    fewer = NovelImageSynthesis(**{name: None}).loss(model, floats(batch), [Sealed()] * 2)
    assert set(every) - set(fewer) == {f"loss_{name}"}


@pytest.mark.parametrize("name", ["articulation", "adversary"])
def test_losses_of_poses_need_pictures_that_train_the_pose(name):
    with pytest.raises(ValueError, match="train_pose=False trains the painter alone"):
        NovelImageSynthesis(train_pose=False, **{name: {"type": "part_synth.Anything"}})


def test_one_loss_alone(model, batch):
    options = dict.fromkeys(TERMS)
    options.pop("foreground")
    losses = NovelImageSynthesis(**options).loss(model, floats(batch), [Sealed()] * 2)
    assert set(losses) == {"loss_foreground", "pose_spread_mm"}


@pytest.mark.parametrize(
    ("option", "terms"),
    [
        ({"perceptual": {"type": "part_synth.PerceptualLoss"}}, {"loss_perceptual"}),
        ({"appearance_cycle": {"type": "part_synth.AppearanceCycleLoss"}}, {"loss_appearance"}),
        (
            {"adversary": {"type": "part_synth.UnpairedPoseAdversary"}},
            {"loss_adversary", "loss_critic"},
        ),
    ],
)
def test_losses_that_are_off_unless_asked_for(model, batch, option, terms):
    plain = NovelImageSynthesis().loss(model, floats(batch), [Sealed()] * 2)
    more = NovelImageSynthesis(**option).loss(model, floats(batch), [Sealed()] * 2)
    assert set(more) - set(plain) == terms
    assert all(float(more[name].detach()) > 0 for name in terms)


def test_frames_of_unknown_background_have_no_foreground_loss(model, batch):
    """A frame that is its own background says nothing of the foreground, nor shows through."""
    inputs = floats(batch)
    unknown = {"image": inputs["image"], "background": inputs["image"]}
    losses = NovelImageSynthesis().loss(model, unknown, [Sealed()] * 2)
    without = NovelImageSynthesis().loss(model, {"image": inputs["image"]}, [Sealed()] * 2)
    assert "loss_foreground" not in losses
    model.encoder.background_dropout = 0
    for name in ("loss_reconstruction", "loss_flat"):
        torch.testing.assert_close(losses[name], without[name])


def test_which_backgrounds_are_known():
    images = torch.rand(3, 3, 4, 4)
    scenes = images.clone()
    scenes[1, 0, 2, 2] += 0.1
    assert backgrounds_known(images, scenes).tolist() == [False, True, False]
    assert backgrounds_known(images, None).tolist() == [False] * 3


@pytest.mark.parametrize("width", [30, 32, 33, 35])
def test_outer_quarters_stand_for_the_scene(width):
    columns = torch.arange(float(width)).expand(1, 3, 4, width)
    scene = beside_the_person(columns)[0, 0, 0]
    quarter = -(-width // 4)
    assert scene[:quarter].tolist() == list(range(quarter))
    assert scene.flip(0)[:quarter].tolist() == list(range(width - 1, width - 1 - quarter, -1))
    # No column of the middle, and no seam but the one in the middle.
    assert ((scene < quarter) | (scene >= width - quarter)).all()
    assert (scene.diff().abs() > 1).sum() == 1


def test_scenes_are_the_empty_ones_where_they_are_known():
    images = torch.rand(3, 3, 8, 8)
    backgrounds = torch.rand(3, 3, 8, 8)
    assert torch.equal(scenes_of(images, backgrounds), backgrounds)
    beside = beside_the_person(images)
    assert torch.equal(scenes_of(images, None), beside)
    backgrounds[1] = images[1]
    mixed = scenes_of(images, backgrounds)
    assert torch.equal(mixed[::2], backgrounds[::2]) and torch.equal(mixed[1], beside[1])


def test_agreement_is_least_where_the_puppet_shows_what_is_read():
    logits = torch.randn(2, 4, 4, 4) * 3
    read = logits.softmax(1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    loss = PartAgreementLoss(floor=1e-6)
    best = loss(logits, maps_of(read))
    entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum((1, 2, 3))
    person = (1 - logits.softmax(1)[:, 0]).sum((1, 2))
    torch.testing.assert_close(best, (entropy / person.clamp_min(1)).mean(), rtol=1e-3, atol=0)
    assert loss(logits, maps_of(torch.randn_like(read).softmax(1))) > best


def test_agreement_pulls_the_maps_alone():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    parts = torch.randn(1, 3, 8, 8).softmax(1).requires_grad_()
    PartAgreementLoss()(logits, maps_of(parts)).backward()
    assert logits.grad is None
    assert parts.grad.abs().sum() > 0


def test_part_reading_loss_is_cross_entropy():
    logits, labels = torch.randn(2, 5, 3, 4), torch.randint(5, (2, 3, 4), dtype=torch.uint8)
    chosen = logits.log_softmax(1).gather(1, labels.long()[:, None])
    result = PartReadingLoss(loss_weight=2.0)(logits, labels)
    torch.testing.assert_close(result, -2 * chosen.mean())


def test_foreground_reading_loss_against_the_formula():
    images, scenes = torch.rand(2, 3, 8, 8) * 2 - 1, torch.rand(2, 3, 8, 8) * 2 - 1
    logits = torch.randn(2, 5, 4, 4)
    wanted = F.avg_pool2d(foreground_evidence(images, scenes), 2)[:, 0]
    person = 1 - logits.softmax(1)[:, 0]
    entropy = -(wanted * person.log() + (1 - wanted) * (1 - person).log()).mean()
    result = ForegroundReadingLoss(loss_weight=0.5)(logits, images, scenes)
    torch.testing.assert_close(result, 0.5 * entropy)


def test_perceptual_loss_tells_textures_apart():
    """Another piece of the same texture is nearer than another texture of equal colours."""
    torch.manual_seed(0)
    fine = torch.randn(8, 3, 32, 32)
    coarse = F.interpolate(torch.randn(8, 3, 8, 8), scale_factor=4)
    loss = PerceptualLoss()
    assert float(loss(fine, fine)) == pytest.approx(0, abs=1e-6)
    near = 0.8 * coarse + 0.2 * fine
    assert loss(near, coarse) < 0.5 * loss(fine, coarse)


def test_perceptual_loss_counts_where_the_weight_is():
    loss, weight = PerceptualLoss(), torch.zeros(1, 1, 32, 32)
    weight[..., :8] = 1
    target = torch.rand(1, 3, 32, 32)
    other = target.clone()
    other[..., 24:] = 0
    assert float(loss(other, target, weight)) == pytest.approx(0, abs=1e-5)
    assert float(loss(other, target)) > 1e-3


def test_perceptual_network_is_no_part_of_the_model():
    loss = PerceptualLoss()
    assert not list(loss.parameters())
    assert not loss.state_dict()
    first, second = RandomFeatures(seed=1), RandomFeatures(seed=1)
    image = torch.rand(1, 3, 16, 16)
    for a, b in zip(first(image), second(image), strict=True):
        assert torch.equal(a, b)
    assert [f.shape[-1] for f in first(image)] == [16, 8, 4]


def test_adversary_tells_shrunken_poses_from_real_ones():
    """The critic learns what the mean pose lacks, and then pushes poses apart."""
    torch.manual_seed(0)
    real = make_poses(256)
    adversary = UnpairedPoseAdversary(loss_weight=1.0)
    optimizer = torch.optim.Adam(adversary.parameters(), lr=1e-3)
    shrunken = real.mean(0) + 0.3 * (real - real.mean(0))
    for _ in range(60):
        losses = adversary(shrunken, real)
        optimizer.zero_grad()
        losses["loss_critic"].backward()
        optimizer.step()
    assert float(losses["loss_critic"].detach()) < 0.3
    factor = torch.tensor(0.3, requires_grad=True)
    fool = adversary(real.mean(0) + factor * (real - real.mean(0)), real)["loss_adversary"]
    (slope,) = torch.autograd.grad(fool, factor)
    assert slope < 0


def test_what_fools_the_critic_leaves_it_alone():
    adversary = UnpairedPoseAdversary()
    poses = make_poses(8).requires_grad_()
    losses = adversary(poses, make_poses(8, seed=1))
    losses["loss_adversary"].backward(retain_graph=True)
    assert poses.grad.abs().sum() > 0
    assert all(p.grad is None for p in adversary.parameters())
    poses.grad = None
    losses["loss_critic"].backward()
    assert poses.grad is None


def test_pictures_can_train_the_painter_alone(trained, batch):
    objective = NovelImageSynthesis(train_pose=False, optimizers=("synthesizer",))
    losses = objective.loss(trained, floats(batch), [Sealed()] * 2)
    names = {"loss_reconstruction", "loss_segmentation", "pose_spread_mm"}
    assert set(losses) == names
    sum(losses[name] for name in names - {"pose_spread_mm"}).backward()
    assert trained.decoder.to_colour.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in trained.encoder.parameters())
    assert trained.puppet.log_radii.grad is None


@pytest.mark.parametrize("train_pose", [False, True])
def test_a_painter_trained_alone_learns_with_fitted_puppets(fit, batch, monkeypatch, train_pose):
    model = with_head(fit)
    painted = []
    decoder = model.decoder.forward
    monkeypatch.setattr(
        model.decoder, "forward", lambda maps, *rest: painted.append(maps) or decoder(maps, *rest)
    )
    model.puppet_fit = PuppetFit(steps=2)
    NovelImageSynthesis(train_pose=train_pose).loss(model, floats(batch), [Sealed()] * 2)
    images, background = flat_frames(floats(batch))
    with torch.no_grad():
        read = model.read(images, background, flip=False)
        shown = read if train_pose else model.puppet_fit(model, read)
        wanted = model.render(shown, images.shape[-2:], blur=1.0)
    torch.testing.assert_close(painted[0].parts.detach(), wanted.parts, atol=1e-5, rtol=0)
    plain = model.render(read, images.shape[-2:], blur=1.0).parts
    assert ((plain - wanted.parts).abs().max() > 0.01) == (not train_pose)


def test_appearance_cycle_counts_what_is_seen():
    parts = torch.zeros(1, 3, 4, 4)
    parts[:, 1, :2] = 1
    maps = maps_of(parts)
    given = Appearance(torch.zeros(1, 2, 3), torch.zeros(1, 2, 5))
    found = Appearance(
        torch.tensor([[[0.3] * 3, [9.0] * 3]]), torch.tensor([[[0.2] * 5, [9.0] * 5]])
    )
    loss = AppearanceCycleLoss(colours=2.0, features=0.5)
    assert float(loss(found, given, maps)) == pytest.approx(2 * 0.3 + 0.5 * 0.2)


def test_appearance_cycle_moves_what_paints_and_not_what_was_given():
    given = Appearance(torch.rand(1, 2, 3).requires_grad_(), torch.rand(1, 2, 5).requires_grad_())
    found = Appearance(torch.rand(1, 2, 3).requires_grad_(), torch.rand(1, 2, 5).requires_grad_())
    AppearanceCycleLoss()(found, given, maps_of(torch.rand(1, 3, 4, 4))).backward()
    assert given.colours.grad is None and given.features.grad is None
    assert found.colours.grad.abs().sum() > 0 and found.features.grad.abs().sum() > 0
