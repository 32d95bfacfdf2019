"""Draw a posed, dressed person into a room: image, part labels, shadow.

Symbols: V vertices, H = W = size of the square image in px.
"""

import cv2
import numpy as np

from part_synth.datasets.synthetic.rasterizer import interpolate, nearest_vertex, rasterize
from part_synth.datasets.synthetic.scene import Light, PinholeCamera

NUM_LABELS = 15
_SUPERSAMPLE = 2


def floor_shadow(
    vertices: np.ndarray, light: Light, camera: PinholeCamera, size: int, half: np.ndarray
) -> np.ndarray:
    """Share of its light that each pixel's floor keeps, (size, size) float32 in [0, 1].

    The vertices are projected along the light onto the floor and splatted there, then blurred:
    a soft cast shadow. Those near the floor darken it straight below too, where feet meet it.

    Args:
        vertices: (V, 3) metres in the world.
        light: with its lamp.
        camera: the view.
        size: side of its image, px.
        half: (2,) metres, half the room's size; no shadow falls beyond the walls.
    """
    slide = vertices[:, 2:] * (light.direction[:2] / light.direction[2])
    cast = np.column_stack([vertices[:, :2] - slide, np.zeros(len(vertices))])
    cast = cast[(np.abs(cast[:, :2]) < half).all(axis=1)]
    near = vertices[vertices[:, 2] < 0.25]
    contact = np.column_stack([near[:, :2], np.zeros(len(near))])
    # Splats are about one vertex per 3 cm: blur over a few centimetres, measured in pixels.
    scale = camera.focal / max(camera.to_camera(vertices.mean(axis=0))[2], 0.1)
    soft = _splat(cast, camera, size, max(0.05 * scale, 0.8), gain=1.6)
    touch = _splat(contact, camera, size, max(0.04 * scale, 0.7), gain=1.2)
    return (1 - light.shadow * light.floor_share * soft) * (1 - 0.4 * touch)


def _splat(
    points: np.ndarray, camera: PinholeCamera, size: int, sigma: float, gain: float
) -> np.ndarray:
    """Blurred occupancy (size, size) in [0, 1] of points (N, 3) on the floor."""
    cam = camera.to_camera(points)
    cam = cam[cam[:, 2] > 0.1]
    pixels = np.rint(camera.to_pixels(cam)).astype(np.int64)
    kept = ((pixels >= 0) & (pixels < size)).all(axis=1)
    index = pixels[kept, 1] * size + pixels[kept, 0]
    filled = (np.bincount(index, minlength=size * size) > 0).reshape(size, size)
    blurred = cv2.GaussianBlur(filled.astype(np.float32), (0, 0), sigma)
    return np.clip(gain * blurred, 0, 1)


def draw_person(
    vertices: np.ndarray,
    faces: np.ndarray,
    colours: np.ndarray,
    labels: np.ndarray,
    camera: PinholeCamera,
    background: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Composite the person over a background, anti-aliased 2 x 2.

    Args:
        vertices: (V, 3) metres in the world.
        faces: (F, 3) int.
        colours: (V, 3) shaded RGB in [0, 1].
        labels: (V,) part label 1..14.
        camera: the view.
        background: (size, size, 3) RGB in [0, 1].

    Returns:
        image (size, size, 3) float32 RGB, part labels (size, size) uint8; a pixel belongs to
        the person when at least half of it is covered, and to the part that covers most of it.
    """
    size, k = len(background), _SUPERSAMPLE
    fine = camera.scaled(k)
    cam = fine.to_camera(vertices)
    fragments = rasterize(fine.to_pixels(cam), cam[:, 2], faces, k * size, k * size)
    pixel = (fragments.rows // k) * size + fragments.columns // k
    part = labels[nearest_vertex(faces, fragments)].astype(np.int64)

    counts = np.bincount(pixel * NUM_LABELS + part, minlength=size * size * NUM_LABELS)
    counts = counts.reshape(size * size, NUM_LABELS)
    covered = counts.sum(axis=1)
    label_image = np.where(2 * covered >= k * k, counts.argmax(axis=1), 0).astype(np.uint8)

    seen = interpolate(colours, faces, fragments)
    total = np.stack(
        [np.bincount(pixel, seen[:, c], minlength=size * size) for c in range(3)], axis=1
    )
    share = (covered / (k * k))[:, None]
    image = background.reshape(-1, 3) * (1 - share) + total / (k * k)
    return (
        image.reshape(size, size, 3).astype(np.float32),
        label_image.reshape(size, size),
    )


def to_8bit(image: np.ndarray, rng: np.random.Generator, noise: float = 1.2) -> np.ndarray:
    """8-bit image with the noise of a sensor (standard deviation ``noise`` in grey levels)."""
    noisy = 255.0 * image + noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
