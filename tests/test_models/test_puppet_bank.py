from dataclasses import replace

import pytest
import torch
from part_synth.models import CropCamera, PaintedPuppets, PartMaps
from part_synth.models.puppet_bank import PuppetBank
from part_synth.registry import MODELS
from tiny_part_synth import make_poses

FIELDS = ("azimuth", "elevation", "roll", "scale", "offset", "distance")


def puppets(*numbers, size=4):
    """Puppets that carry their number in every field."""
    number = torch.tensor(numbers, dtype=torch.float32)
    images = (number / 127.5 - 1)[:, None, None, None].expand(-1, 3, size, size)
    camera = CropCamera(
        *(number + 0.1 * i for i in range(4)),
        torch.stack([number + 0.4, number + 0.5], dim=-1),
        number + 0.6,
    )
    # The part shown is the number, in every second row; elsewhere there is background.
    parts = torch.zeros(len(number), 12, size, size)
    parts[:, 0, 2:] = 1
    parts[torch.arange(len(number)), number.long() % 12, :2] = 1
    maps = PartMaps(parts, parts[:, 1:], 1 - parts[:, 0], torch.ones_like(parts[:, 0]))
    # The scenes carry the number's complement.
    return PaintedPuppets(images, -images, number[:, None, None].expand(-1, 17, 3), camera, maps)


def held(bank):
    """Numbers in the bank, by many draws; every field must agree."""
    drawn = bank.draw(400)
    camera = drawn.camera
    number = (drawn.images[:, 0, 0, 0] + 1) * 127.5
    torch.testing.assert_close(drawn.backgrounds, -drawn.images)
    torch.testing.assert_close(drawn.joints_body, number.round()[:, None, None].expand(-1, 17, 3))
    assert torch.equal(drawn.part_labels[:, 0, 0], number.round().to(torch.uint8) % 12)
    assert (drawn.part_labels[:, 1:] == 0).all()
    for i, name in enumerate(FIELDS[:4]):
        torch.testing.assert_close(getattr(camera, name), number + 0.1 * i, atol=1e-3, rtol=0)
    wanted = torch.stack([number + 0.4, number + 0.5], dim=-1)
    torch.testing.assert_close(camera.offset, wanted, atol=1e-3, rtol=0)
    torch.testing.assert_close(camera.distance, number + 0.6, atol=1e-3, rtol=0)
    return {int(n) for n in number.round()}


def test_holds_what_was_added():
    bank = PuppetBank(8)
    bank.add(puppets(1, 2, 3))
    assert bank.count == 3
    assert held(bank) == {1, 2, 3}
    bank.add(puppets(4))
    assert held(bank) == {1, 2, 3, 4}


def test_the_newest_overwrite_the_oldest():
    bank = PuppetBank(5)
    bank.add(puppets(1, 2, 3))
    bank.add(puppets(4, 5, 6))
    assert bank.count == 5
    assert held(bank) == {2, 3, 4, 5, 6}
    bank.add(puppets(7, 8))
    assert held(bank) == {4, 5, 6, 7, 8}


def test_more_than_fits_keeps_the_last():
    bank = PuppetBank(3)
    bank.add(puppets(1, 2, 3, 4, 5, 6, 7))
    assert held(bank) == {5, 6, 7}
    bank.add(puppets(8))
    assert held(bank) == {6, 7, 8}


def test_images_survive_eight_bits():
    bank = PuppetBank(6)
    given = puppets(*range(6))
    pixels = torch.arange(256, dtype=torch.uint8).repeat(18)[: 6 * 3 * 16 * 15]
    images = pixels.reshape(6, 3, 16, -1).float() / 127.5 - 1
    bank.add(replace(given, images=images, backgrounds=-images))
    assert bank.kept["images"].dtype == torch.uint8
    drawn = bank.draw(20)
    torch.testing.assert_close(drawn.images, images[drawn.joints_body[:, 0, 0].long()])
    between = (images + 0.4 / 127.5).clamp(-1, 1)
    bank.add(replace(given, images=between, backgrounds=-between))
    drawn = bank.draw(20)
    wanted = between[drawn.joints_body[:, 0, 0].long()]
    assert (drawn.images - wanted).abs().max() <= 0.5 / 127.5


def test_another_image_size_starts_afresh():
    bank = PuppetBank(4)
    bank.add(puppets(1, 2))
    bank.add(puppets(3, size=6))
    assert bank.count == 1
    assert held(bank) == {3}
    assert bank.draw(1).images.shape == (1, 3, 6, 6)


def test_cleared_bank_is_empty():
    bank = PuppetBank(4)
    bank.add(puppets(1, 2))
    bank.clear()
    assert bank.count == 0
    bank.add(puppets(9))
    assert held(bank) == {9}


@pytest.mark.parametrize("batch", [1, 7])
def test_draws_as_many_as_asked(batch):
    bank = PuppetBank(4)
    bank.add(puppets(1, 2))
    drawn = bank.draw(batch)
    columns = (drawn.images, drawn.backgrounds, drawn.joints_body, drawn.camera.offset)
    assert [len(column) for column in columns] == [batch] * 4


@pytest.fixture
def painted():
    """Puppets of 64 pixels out of a bank, and the puppet that drew them."""
    torch.manual_seed(0)
    puppet = MODELS.build({"type": "part_synth.Puppet"})
    painter = MODELS.build(
        {"type": "part_synth.PuppetPainter", "joint_std": 0.0, "outline_std": 0.0, "noise": 0.0}
    )
    bank = PuppetBank(16)
    bank.add(painter(puppet, make_poses(16, seed=1), torch.rand(16, 3, 64, 64) * 2 - 1))
    return bank.draw(16), puppet


def drawn_again(puppets, puppet):
    """(B, 32, 32) part labels of the puppets' poses before their cameras."""
    extended = puppets.camera.rotate(puppet.extend_joints(puppets.joints_body))
    maps = puppet(
        puppets.camera.project(extended), extended[..., 2], puppets.camera.scale, (64, 64), blur=0.4
    )
    return torch.nn.functional.avg_pool2d(maps.parts, 2).argmax(1)


def agreement(labels, others):
    """Share of equal labels where either shows a person."""
    person = (labels > 0) | (others > 0)
    return float((labels == others)[person].float().mean())


def test_varied_puppets_show_the_poses_that_come_with_them(painted):
    """Mirrored and in other colours, pictures and labels still are those of pose and camera."""
    puppets, puppet = painted
    torch.manual_seed(1)
    before = agreement(puppets.part_labels.long(), drawn_again(puppets, puppet))
    varied = puppets.varied(puppet.part_mirror)
    assert agreement(varied.part_labels.long(), drawn_again(varied, puppet)) > before - 0.1
    # The truth without its changes is another one.
    assert agreement(varied.part_labels.long(), drawn_again(puppets, puppet)) < before - 0.2
    mirrored = (varied.joints_body != puppets.joints_body).flatten(1).any(1)
    assert 2 < int(mirrored.sum()) < 14


def test_scenes_change_as_their_puppets_do(painted):
    """Where nobody stands, before and after, picture and scene differ as little as they did."""
    puppets, puppet = painted
    puppets = replace(puppets, images=puppets.backgrounds)
    varied = puppets.varied(puppet.part_mirror)
    assert torch.equal(varied.images, varied.backgrounds)
    assert (varied.images - puppets.images).abs().mean() > 0.1


def test_without_changes_of_colour_only_the_mirror_is_left(painted):
    puppets, puppet = painted
    varied = puppets.varied(puppet.part_mirror, permuted=0, gain=0)
    flipped = puppets.images.flip(-1)
    for image, kept, mirrored in zip(varied.images, puppets.images, flipped, strict=True):
        assert min((image - kept).abs().max(), (image - mirrored).abs().max()) < 1e-4
