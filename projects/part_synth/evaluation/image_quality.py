"""How near synthesised images are to true ones: PSNR and SSIM, batched, over masks or everything.

Symbols: B images, C channels, H x W size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

WINDOW = 11
"""Side of SSIM's window, px."""
SIGMA = 1.5
"""Width of its Gaussian, px."""
# Constants of the paper, times the squared range of the pixel values.
_K1, _K2 = 0.01, 0.03


def psnr(
    pred: Tensor, target: Tensor, mask: Tensor | None = None, data_range: float = 255.0
) -> Tensor:
    """Peak signal-to-noise ratio of each image.

    Args:
        pred: (B, C, H, W), any type.
        target: (B, C, H, W) true images, in the same units.
        mask: (B, H, W), pixels to compare; None takes all.
        data_range: Difference between the largest and the least possible value.

    Returns:
        (B,) float64 dB; infinite for equal images, NaN where the mask is empty.

    Raises:
        ValueError: The shapes differ, or ``data_range`` is not positive.
    """
    pred, target, mask = _checked(pred, target, mask, data_range)
    squares = (pred - target).square().mean(1)
    error = _masked_mean(squares, mask)
    return 10 * torch.log10(data_range**2 / error)


def ssim(
    pred: Tensor, target: Tensor, mask: Tensor | None = None, data_range: float = 255.0
) -> Tensor:
    """Structural similarity of each image (Wang et al., IEEE TIP 2004).

    Gaussian windows of 11 px, sigma 1.5 px, that lie wholly inside of the image; the mean over
    channels and over the windows whose middle the mask holds.

    Args:
        pred: (B, C, H, W), any type; H and W at least 11.
        target: (B, C, H, W) true images, in the same units.
        mask: (B, H, W), pixels to compare; None takes all.
        data_range: Difference between the largest and the least possible value.

    Returns:
        (B,) float64, at most 1; NaN where the mask holds no middle of a window.

    Raises:
        ValueError: The shapes differ, the images are smaller than a window, or ``data_range`` is
            not positive.
    """
    pred, target, mask = _checked(pred, target, mask, data_range)
    if min(pred.shape[-2:]) < WINDOW:
        raise ValueError(
            f"ssim needs images of at least {WINDOW} x {WINDOW} px, got {tuple(pred.shape[-2:])}."
        )
    weights = gaussian_window(pred)
    moments = torch.cat([pred, target, pred * pred, target * target, pred * target])
    mean_p, mean_t, square_p, square_t, product = _blur(moments, weights).chunk(5)
    var_p, var_t = square_p - mean_p**2, square_t - mean_t**2
    covariance = product - mean_p * mean_t
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_p * mean_t + c1) / (mean_p**2 + mean_t**2 + c1)
    structure = (2 * covariance + c2) / (var_p + var_t + c2)
    rim = WINDOW // 2
    inner = mask[:, rim : mask.shape[1] - rim, rim : mask.shape[2] - rim]
    return _masked_mean((luminance * structure).mean(1), inner)


def gaussian_window(like: Tensor) -> Tensor:
    """(WINDOW,) weights that sum to one, of the type and on the device of ``like``."""
    steps = torch.arange(WINDOW, dtype=like.dtype, device=like.device) - WINDOW // 2
    weights = torch.exp(-0.5 * (steps / SIGMA) ** 2)
    return weights / weights.sum()


def _blur(images: Tensor, weights: Tensor) -> Tensor:
    """Weighted means (N, C, H - 10, W - 10) over the windows inside of (N, C, H, W)."""
    flat = images.flatten(0, 1)[:, None]
    flat = nnf.conv2d(nnf.conv2d(flat, weights[None, None, :, None]), weights[None, None, None])
    return flat.unflatten(0, images.shape[:2])[:, :, 0]


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """(B,) mean of (B, H, W) where the mask is 1; NaN where it is empty."""
    return (values * mask).sum((1, 2)) / mask.sum((1, 2))


def _checked(
    pred: Tensor, target: Tensor, mask: Tensor | None, data_range: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Images and mask in float64: variances are small differences of large numbers."""
    if pred.ndim != 4 or pred.shape != target.shape:
        raise ValueError(
            "pred and target must have one shape (B, C, H, W), got "
            f"{tuple(pred.shape)} and {tuple(target.shape)}."
        )
    shape = (len(pred), *pred.shape[-2:])
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask must be {shape} for these images, got {tuple(mask.shape)}.")
    if not data_range > 0:
        raise ValueError(f"data_range must be positive, got {data_range}.")
    mask = pred.new_ones(shape) if mask is None else mask > 0
    return pred.double(), target.double(), mask.to(pred.device).double()
