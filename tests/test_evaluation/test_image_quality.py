"""PSNR and SSIM against the definitions written out, pixel by pixel and window by window."""

import math

import numpy as np
import pytest
import torch
from part_synth.evaluation.image_quality import psnr, ssim


@pytest.fixture
def pair():
    """Two images (2, 3, 17, 14) of 0 .. 255, the second a noisy version of the first."""
    rng = np.random.default_rng(0)
    smooth = rng.uniform(20, 230, (2, 3, 1, 1)) + rng.normal(0, 12, (2, 3, 17, 14))
    noisy = 0.9 * smooth + rng.normal(0, 15, smooth.shape)
    return tuple(np.clip(np.rint(a), 0, 255).astype(np.uint8) for a in (noisy, smooth))


@pytest.fixture
def mask():
    return torch.from_numpy(np.random.default_rng(1).random((2, 17, 14)) > 0.6)


def slow_psnr(pred, target, mask):
    squares = [
        (float(pred[c, y, x]) - float(target[c, y, x])) ** 2
        for c in range(3)
        for y in range(17)
        for x in range(14)
        if mask[y, x]
    ]
    return 10 * math.log10(255**2 / (sum(squares) / len(squares)))


def slow_ssim(pred, target, mask):
    """Wang et al. (2004), equations 12 to 16, for windows inside of the image."""
    steps = np.arange(11) - 5
    weights = np.exp(-(steps[:, None] ** 2 + steps**2) / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for y in range(5, 12):
        for x in range(5, 9):
            if not mask[y, x]:
                continue
            for c in range(3):
                a = pred[c, y - 5 : y + 6, x - 5 : x + 6].astype(float)
                b = target[c, y - 5 : y + 6, x - 5 : x + 6].astype(float)
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                var_a = (weights * (a - mean_a) ** 2).sum()
                var_b = (weights * (b - mean_b) ** 2).sum()
                covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
                luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
                values.append(luminance * (2 * covariance + c2) / (var_a + var_b + c2))
    return np.mean(values)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("function", "slow"), [(psnr, slow_psnr), (ssim, slow_ssim)])
def test_against_a_loop(pair, mask, masked, function, slow):
    pred, target = pair
    where = mask if masked else torch.ones_like(mask)
    values = function(*map(torch.from_numpy, pair), where if masked else None)
    expected = [slow(pred[i], target[i], where[i]) for i in range(2)]
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-9)
    assert values.dtype == torch.float64 and abs(expected[0] - expected[1]) > 1e-4


def test_equal_and_opposite_images(pair):
    image = torch.from_numpy(pair[1])
    assert torch.isinf(psnr(image, image)).all()
    np.testing.assert_allclose(ssim(image, image), 1)
    # A grating against its negative: the same mean, all contrast turned over.
    grating = (torch.arange(20) % 2 * 200 + 27).expand(1, 3, 20, 20).to(torch.uint8)
    assert float(ssim(grating, 254 - grating)) == pytest.approx(-1, abs=0.02)
    one_off = image.clamp(max=254) + 1
    assert psnr(one_off, image.clamp(max=254)).numpy() == pytest.approx(20 * math.log10(255))


def test_range_scales_with_the_images(pair):
    pred, target = (torch.from_numpy(a) for a in pair)
    scaled = (pred.double() / 255, target.double() / 255)
    for function in (psnr, ssim):
        np.testing.assert_allclose(function(*scaled, data_range=1.0), function(pred, target))


def test_images_of_a_batch_do_not_mix(pair, mask):
    pred, target = (torch.from_numpy(a) for a in pair)
    for function in (psnr, ssim):
        alone = function(pred[1:], target[1:], mask[1:])
        np.testing.assert_allclose(function(pred, target, mask)[1:], alone)


def test_empty_masks_are_no_number(pair):
    pred, target = (torch.from_numpy(a) for a in pair)
    rim = torch.zeros(2, 17, 14)
    rim[:, 0] = 1
    assert torch.isnan(psnr(pred, target, 0 * rim)).all()
    # No window has its middle there.
    assert torch.isnan(ssim(pred, target, rim)).all()
    assert torch.isfinite(psnr(pred, target, rim)).all()


def test_mistakes():
    image = torch.zeros(2, 3, 16, 16)
    for function in (psnr, ssim):
        with pytest.raises(ValueError, match=r"one shape \(B, C, H, W\), got \(2, 3, 16, 16\) and"):
            function(image, image[:1])
        with pytest.raises(ValueError, match=r"mask must be \(2, 16, 16\).*got \(2, 3, 16, 16\)"):
            function(image, image, image)
        with pytest.raises(ValueError, match="data_range must be positive, got 0"):
            function(image, image, data_range=0)
    with pytest.raises(ValueError, match=r"at least 11 x 11 px, got \(10, 16\)"):
        ssim(image[:, :, :10], image[:, :, :10])
