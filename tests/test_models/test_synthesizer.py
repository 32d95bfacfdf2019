import dataclasses

import pytest
import torch
from part_synth.models import Appearance, AppearanceEncoder, SynthesisDecoder
from part_synth.models.puppet import PartMaps
from part_synth.models.synthesizer import leave_one_out

SIZE = (32, 32)


@pytest.fixture
def maps(puppet, scene):
    return puppet(*scene[:3], SIZE, blur=0.7)


@pytest.fixture
def images():
    return torch.rand(4, 3, *SIZE) * 2 - 1


@pytest.fixture
def networks():
    """Appearance encoder and a decoder whose last layers are not zero."""
    decoder = SynthesisDecoder(appearance_channels=4, channels=(4, 8, 8))
    for layer in (decoder.to_colour, decoder.to_parts):
        torch.nn.init.normal_(layer.weight, std=0.2)
    return AppearanceEncoder(channels=4, hidden=8), decoder


def slow_leave_one_out(totals, mass, frames):
    """Frame by frame and entry by entry."""
    result = torch.zeros_like(totals)
    for row in range(len(totals)):
        start = row - row % frames
        others = [r for r in range(start, start + frames) if r != row] if frames > 1 else [row]
        total = sum(totals[r] for r in others)
        weight = sum(mass[r] for r in others)
        everything = total.sum(0) / max(float(weight.sum()), 1e-3)
        for n in range(totals.shape[1]):
            seen = float(weight[n]) / (float(weight[n]) + 1e-3)
            own = total[n] / max(float(weight[n]), 1e-3)
            result[row, n] = seen * own + (1 - seen) * everything
    return result


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_leave_one_out_against_a_loop(frames):
    generator = torch.Generator().manual_seed(2)
    mass = torch.rand(6, 5, generator=generator, dtype=torch.float64) * 20
    mass[:, 1] = 0  # seen by nobody
    mass[1:, 2] = 0  # seen by frame 0 alone
    values = torch.randn(6, 5, 3, generator=generator, dtype=torch.float64)
    totals = values * mass[..., None]
    result = leave_one_out(totals, mass, frames)
    torch.testing.assert_close(result, slow_leave_one_out(totals, mass, frames))


def test_leave_one_out_of_one_looks_is_that_looks():
    """If all frames agree on the colour of an entry, so does every mean."""
    mass = torch.rand(6, 5) * 20 + 1
    values = torch.randn(1, 5, 3).expand(6, 5, 3)
    result = leave_one_out(values * mass[..., None], mass, 3)
    torch.testing.assert_close(result, values, atol=1e-2, rtol=0)


def test_what_nobody_shows_is_finite():
    totals, mass = torch.zeros(4, 3, 2), torch.zeros(4, 3)
    totals.requires_grad_()
    result = leave_one_out(totals, mass, 2)
    result.sum().backward()
    assert (result == 0).all()
    assert totals.grad.isfinite().all()


def one_pose(maps):
    """Four frames with the part maps of the first."""
    fields = {
        name: getattr(maps, name)[:1].expand_as(getattr(maps, name))
        for name in ("parts", "capsules", "foreground", "certain")
    }
    return PartMaps(**fields)


def test_colours_are_those_of_the_parts(puppet, scene):
    """Paint every part in one colour and pool it again."""
    maps = puppet(*scene[:3], (64, 64), blur=0.5)
    palette = torch.rand(15, 3) * 2 - 1
    labels = maps.parts.argmax(1)
    painted = palette[labels].permute(0, 3, 1, 2)
    appearance = AppearanceEncoder(channels=4, hidden=8)(painted, maps, 1)
    seen = maps.capsules.square().sum((-1, -2)) > 10
    wanted = palette[puppet.part_of].expand_as(appearance.colours)
    assert seen.sum() > 40
    assert (appearance.colours - wanted)[seen].abs().mean() < 0.1


@pytest.mark.parametrize("frames", [2, 4])
def test_own_pixels_do_not_influence_own_appearance(maps, images, networks, frames):
    encoder = networks[0]
    first = encoder(images, maps, frames)
    changed = images.clone()
    changed[1] = torch.rand(3, *SIZE) * 2 - 1
    second = encoder(changed, maps, frames)
    for name in ("colours", "features"):
        a, b = getattr(first, name), getattr(second, name)
        torch.testing.assert_close(a[1], b[1], atol=1e-4, rtol=0)
        assert (a[0] - b[0]).abs().max() > 0.05  # but that of the frame beside it
        if frames == 2:
            assert torch.equal(a[2:], b[2:])  # and of no other group


def test_own_pixels_have_no_gradient(maps, images, networks):
    images.requires_grad_()
    appearance = networks[0](images, maps, 4)
    (appearance.colours[2].sum() + appearance.features[2].sum()).backward()
    assert (images.grad[2] == 0).all()
    assert images.grad[[0, 1, 3]].abs().amax((1, 2, 3)).min() > 0


def test_single_frames_give_their_own_appearance(maps, images, networks):
    together = networks[0](images, maps, 1)
    changed = images.clone()
    changed[0] = 0
    other = networks[0](changed, maps, 1)
    assert not torch.allclose(together.colours[0], other.colours[0])
    torch.testing.assert_close(together.colours[1:], other.colours[1:])


def test_appearance_has_no_place():
    """A person and the same person moved by eight pixels look the same."""
    capsules = torch.zeros(1, 2, *SIZE)
    capsules[0, 0, 8:16, 4:12] = 1
    capsules[0, 1, 16:24, 4:12] = 1
    parts = torch.cat([1 - capsules.sum(1, keepdim=True), capsules], dim=1)
    image = torch.rand(1, 3, *SIZE)

    def look(shift):
        moved = [value.roll(shift, -1) for value in (parts, capsules, capsules.sum(1))]
        maps = PartMaps(*moved, certain=torch.ones(1, *SIZE))
        return AppearanceEncoder(channels=4, hidden=8)(image.roll(shift, -1), maps, 1)

    torch.manual_seed(0)
    here = look(0)
    torch.manual_seed(0)
    there = look(8)
    torch.testing.assert_close(here.colours, there.colours)
    torch.testing.assert_close(here.features, there.features)


def test_pooling_passes_no_gradient_to_the_maps(puppet, scene, images, networks):
    points = scene[0].clone().requires_grad_()
    maps = puppet(points, *scene[1:3], SIZE)
    appearance = networks[0](images, maps, 2)
    assert (
        not torch.autograd.grad(
            maps.parts.sum() + appearance.colours.sum() + appearance.features.sum(),
            points,
            retain_graph=True,
        )[0]
        .isnan()
        .any()
    )
    loss = appearance.colours.square().sum() + appearance.features.square().sum()
    assert torch.autograd.grad(loss, points, allow_unused=True)[0] is None


def test_untrained_decoder_gives_the_flat_painting_and_the_template(maps, images):
    decoder = SynthesisDecoder(appearance_channels=4, channels=(4, 8, 8))
    appearance = Appearance(torch.rand(4, 21, 3) * 2 - 1, torch.randn(4, 14, 4))
    for _ in range(2):
        out = decoder(maps, appearance, images)
        # The template's parts are floored at 0.001 each.
        torch.testing.assert_close(out.part_logits.softmax(1), maps.parts, atol=0.015, rtol=0)
        torch.testing.assert_close(out.image, out.flat, atol=0.05, rtol=0)
        decoder.init_weights()


def test_flat_painting_pixel_by_pixel(maps, images, networks):
    colours = torch.rand(4, 21, 3) * 2 - 1
    out = networks[1](maps, Appearance(colours, torch.randn(4, 14, 4)), images)
    for b, y, x in ((0, 16, 16), (1, 10, 14), (2, 20, 18), (3, 2, 3)):
        solid = float(maps.foreground[b, y, x])
        person = sum(maps.capsules[b, c, y, x] * colours[b, c] for c in range(21))
        wanted = person + (1 - solid) * images[b, :, y, x]
        torch.testing.assert_close(out.flat[b, :, y, x], wanted, atol=2e-3, rtol=0)


def test_background_shows_where_there_is_no_person(puppet, scene, images):
    far = scene[0] + 50.0
    maps = puppet(far, *scene[1:3], SIZE)
    decoder = SynthesisDecoder(appearance_channels=4, channels=(4, 8, 8))
    appearance = Appearance(torch.ones(4, 21, 3), torch.randn(4, 14, 4))
    out = decoder(maps, appearance, images)
    torch.testing.assert_close(out.image, images, atol=0.03, rtol=0)
    torch.testing.assert_close(out.flat, images, atol=1e-4, rtol=0)
    grey = decoder(maps, appearance, None)
    assert grey.image.abs().max() < 0.03
    assert out.image.isfinite().all()


def test_image_is_person_over_background_by_the_segmentation(maps, images, networks):
    appearance = networks[0](images, maps, 2)
    out = networks[1](maps, appearance, images)
    alpha = 1 - out.part_logits.softmax(1)[:, :1]
    torch.testing.assert_close(out.image, alpha * out.person + (1 - alpha) * images)
    assert out.image.shape == out.flat.shape == (4, 3, *SIZE)
    assert out.part_logits.shape == (4, 15, *SIZE)


@pytest.mark.parametrize("size", [(30, 30), (33, 27)])
def test_any_image_size(puppet, scene, networks, size):
    maps = puppet(*scene[:3], size)
    images = torch.rand(4, 3, *size)
    out = networks[1](maps, networks[0](images, maps, 2), images)
    assert out.image.shape == (4, 3, *size)


def test_the_decoder_sees_the_pose_in_the_maps_only(puppet, scene, images, networks):
    """Same maps and looks, same image; detached maps, no gradient for the pose."""
    points = scene[0].clone().requires_grad_()
    maps = puppet(points, *scene[1:3], SIZE)
    appearance = networks[0](images, maps, 2)
    out = networks[1](maps, appearance, images)
    (gradient,) = torch.autograd.grad(out.image.square().sum(), points, retain_graph=True)
    assert gradient.abs().max() > 0

    still = PartMaps(
        **{
            field.name: value.detach()
            for field in dataclasses.fields(maps)
            if (value := getattr(maps, field.name)) is not None
        }
    )
    again = networks[1](still, networks[0](images, still, 2), images)
    assert torch.equal(again.image, out.image)
    assert torch.equal(again.part_logits, out.part_logits)
    loss = again.image.square().sum() + again.part_logits.sum() + again.flat.sum()
    assert torch.autograd.grad(loss, points, allow_unused=True)[0] is None


def test_learned_layers_use_maps_looks_and_nothing_else(maps, images, networks):
    appearance = networks[0](images, maps, 2)
    out = networks[1](maps, appearance, None)
    blank = Appearance(appearance.colours, torch.zeros_like(appearance.features))
    assert not torch.equal(networks[1](maps, blank, None).image, out.image)
    other = networks[1](one_pose(maps), appearance, None)
    torch.testing.assert_close(other.image[0], out.image[0])
    assert (other.image[1] - out.image[1]).abs().max() > 0.1
