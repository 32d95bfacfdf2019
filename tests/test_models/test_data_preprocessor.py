import pytest
import torch
from part_synth.models import PartSynthDataPreprocessor


def pictures(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def by_hand(pixels):
    """0 -> -1, 255 -> 1."""
    return (pixels.double() / 255 * 2 - 1).float()


def test_groups_of_frames():
    images, backgrounds = pictures(2, 3, 3, 8, 8), pictures(2, 3, 3, 8, 8)
    samples = ["a", "b"]
    data = {"inputs": {"image": images, "background": backgrounds}, "data_samples": samples}
    result = PartSynthDataPreprocessor()(data, training=True)
    assert set(result) == {"inputs", "data_samples"}
    torch.testing.assert_close(result["inputs"]["image"], by_hand(images))
    torch.testing.assert_close(result["inputs"]["background"], by_hand(backgrounds))
    assert list(result["data_samples"]) == samples
    assert images.dtype == torch.uint8  # the batch given is left as it was


@pytest.mark.parametrize("packing", ["list", "batch"])
def test_packing_of_mmpose(packing):
    images = pictures(4, 3, 8, 8)
    inputs = list(images.unbind()) if packing == "list" else images
    result = PartSynthDataPreprocessor()({"inputs": inputs})
    assert result["inputs"]["image"].shape == (4, 1, 3, 8, 8)
    torch.testing.assert_close(result["inputs"]["image"][:, 0], by_hand(images))
    assert result["data_samples"] is None


def test_channel_order():
    images = pictures(2, 3, 8, 8)
    result = PartSynthDataPreprocessor(bgr_to_rgb=True)({"inputs": images})
    torch.testing.assert_close(result["inputs"]["image"][:, 0], by_hand(images[:, [2, 1, 0]]))


def test_floats_pass_and_other_inputs_are_left_alone():
    image, marker = torch.rand(2, 1, 3, 8, 8), torch.arange(3)
    result = PartSynthDataPreprocessor()({"inputs": {"image": image, "marker": marker}})
    assert torch.equal(result["inputs"]["image"], image)
    assert torch.equal(result["inputs"]["marker"], marker)


def test_channels_must_come_first():
    with pytest.raises(ValueError, match=r"3 channels before height and width.*\(2, 1, 8, 8, 3\)"):
        PartSynthDataPreprocessor()({"inputs": {"image": pictures(2, 1, 8, 8, 3)}})
