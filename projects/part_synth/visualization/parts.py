"""Part maps as colours."""

from __future__ import annotations

import colorsys

import numpy as np

from part_synth.visualization.palette import PART_COLOURS


def part_colours(count: int) -> np.ndarray:
    """(count, 3) uint8 RGB of the labels 0 .. count - 1, by hues beyond the palette.

    255, ignored pixels, is white.
    """
    # Steps of the golden ratio: neighbours differ, and no hue comes twice.
    hues = [(0.3 + 0.618034 * i) % 1 for i in range(max(count - len(PART_COLOURS), 0))]
    more = [np.multiply(colorsys.hsv_to_rgb(hue, 0.55, 0.95), 255) for hue in hues]
    table = np.concatenate([PART_COLOURS, np.reshape(more, (-1, 3))])[:count].astype(np.uint8)
    table[255:] = 255
    return table


def colour_parts(labels: np.ndarray) -> np.ndarray:
    """Paint a part map with the part palette.

    Args:
        labels: (H, W) integers, 0 background, 1..14 parts of the data set, more of puppets with
            more; 255 (ignored pixels) is white.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: ``labels`` is not two-dimensional.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"labels must have shape (H, W), got {labels.shape}.")
    return part_colours(256)[np.clip(labels, 0, 255).astype(np.uint8)]


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
