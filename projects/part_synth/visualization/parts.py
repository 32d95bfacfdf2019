"""Part maps as colours."""

from __future__ import annotations

import numpy as np

from part_synth.visualization.palette import PART_COLOURS


def colour_parts(labels: np.ndarray) -> np.ndarray:
    """Paint a part map with the part palette.

    Args:
        labels: (H, W) integers, 0 background, 1..14 parts; other values (ignored pixels) are white.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: ``labels`` is not two-dimensional.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"labels must have shape (H, W), got {labels.shape}.")
    table = np.full((256, 3), 255, np.uint8)
    table[: len(PART_COLOURS)] = PART_COLOURS
    return table[np.clip(labels, 0, 255).astype(np.uint8)]


def blend_parts(image: np.ndarray, labels: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """Lay the coloured parts over an image; the background stays as it is.

    Args:
        image: RGB (H, W, 3) uint8.
        labels: (H, W) part labels of the same size.
        opacity: Share of the part's colour, 0 to 1.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: Image and labels differ in size.
    """
    labels = np.asarray(labels)
    if image.shape[:2] != labels.shape:
        raise ValueError(f"Image {image.shape[:2]} and labels {labels.shape} differ in size.")
    alpha = opacity * (labels > 0)[..., None]
    return np.rint((1.0 - alpha) * image + alpha * colour_parts(labels)).astype(np.uint8)
