"""How near synthesised images are to true ones: PSNR and SSIM, batched, over masks or everything.

Symbols: B images, C channels, H x W size.
"""

from __future__ import annotations

import torch
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

    The mean of :func:`ssim_map` over the windows whose middle the mask holds.

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
    _, _, mask = _checked(pred, target, mask, data_range)
    return mean_of_map(ssim_map(pred, target, data_range), mask)


def mean_of_map(values: Tensor, mask: Tensor) -> Tensor:
    """(B,) mean of a :func:`ssim_map` over the windows whose middle (B, H, W) ``mask`` holds."""
    rim = WINDOW // 2
    inner = mask[:, rim : mask.shape[1] - rim, rim : mask.shape[2] - rim]
    return _masked_mean(values, inner.to(values))


def ssim_map(pred: Tensor, target: Tensor, data_range: float = 255.0) -> Tensor:
    """Structural similarity of every window of 11 px, sigma 1.5 px, that lies inside of the image.

    Args:
        pred: (B, C, H, W), any type; H and W at least 11.
        target: (B, C, H, W) true images, in the same units.
        data_range: Difference between the largest and the least possible value.

    Returns:
        (B, H - 10, W - 10) float64, means over channels.

    Raises:
        ValueError: See :func:`ssim`.
    """
    pred, target, _ = _checked(pred, target, None, data_range)
    if min(pred.shape[-2:]) < WINDOW:
        raise ValueError(
            f"ssim needs images of at least {WINDOW} x {WINDOW} px, got {tuple(pred.shape[-2:])}."
        )
    moments = torch.cat([pred, target, pred * pred, target * target, pred * target])
    mean_p, mean_t, square_p, square_t, product = _blur(moments).chunk(5)
    var_p, var_t = square_p - mean_p**2, square_t - mean_t**2
    covariance = product - mean_p * mean_t
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_p * mean_t + c1) / (mean_p**2 + mean_t**2 + c1)
    structure = (2 * covariance + c2) / (var_p + var_t + c2)
    return (luminance * structure).mean(1)


def gaussian_window(like: Tensor) -> Tensor:
    """(WINDOW,) weights that sum to one, of the type and on the device of ``like``."""
    steps = torch.arange(WINDOW, dtype=like.dtype, device=like.device) - WINDOW // 2
    weights = torch.exp(-0.5 * (steps / SIGMA) ** 2)
    return weights / weights.sum()


def _blur(images: Tensor) -> Tensor:
    """Weighted means (N, C, H - 10, W - 10) over the windows inside of (N, C, H, W).

    As two products with banded matrices: in float64 many times as fast as convolutions.
    """
    rows, columns = (_bands(size, images) for size in images.shape[-2:])
    return rows.T @ images @ columns


def _bands(size: int, like: Tensor) -> Tensor:
    """(size, size - 10) matrix whose columns are the window, each one further down."""
    weights = gaussian_window(like)
    steps = torch.arange(size, device=like.device)
    offset = steps[:, None] - steps[None, : size - WINDOW + 1]
    inside = (offset >= 0) & (offset < WINDOW)
    return torch.where(inside, weights[offset.clamp(0, WINDOW - 1)], 0)


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
