from dataclasses import replace

import pytest
import torch
from part_synth.models import CropCamera, PaintedPuppets, PartMaps
from part_synth.models.puppet_bank import PuppetBank

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
