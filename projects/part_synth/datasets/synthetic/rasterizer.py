"""A z-buffer for meshes of many small triangles, vectorised over all triangles at once.

Symbols: V vertices, F triangles, C candidates (pixels inside the bounding box of a triangle).
Pixels: integer coordinates are pixel centres (OpenCV's convention), x right, y down.
"""

from dataclasses import dataclass

import numpy as np

_EMPTY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Fragments:
    """The visible surface, one entry per covered pixel (N of them, row by row).

    Attributes:
        rows, columns: (N,) int, pixel.
        triangles: (N,) int, index of the visible triangle.
        barycentric: (N, 3) weights of its corners in the image, sum 1.
        inverse_depth: (N,) 1 / metres.
    """

    rows: np.ndarray
    columns: np.ndarray
    triangles: np.ndarray
    barycentric: np.ndarray
    inverse_depth: np.ndarray


def rasterize(
    pixels: np.ndarray, depth: np.ndarray, faces: np.ndarray, height: int, width: int
) -> Fragments:
    """Nearest triangle of every pixel whose centre a front-facing triangle covers.

    Triangles with a corner behind the camera are left out; no triangle is clipped otherwise.

    Args:
        pixels: (V, 2) projected vertices, px.
        depth: (V,) metres along the optical axis.
        faces: (F, 3) int, corners counter-clockwise as seen from outside the body; faces turned
            away from the camera are culled.
        height: rows of the image.
        width: columns of the image.

    Returns:
        the visible fragments.
    """
    x, y, z = (
        [np.ascontiguousarray(column)[faces[:, corner]] for corner in range(3)]
        for column in (pixels[:, 0], pixels[:, 1], depth)
    )
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    # Counter-clockwise on the screen is a negative area where y points down.
    facing = (area < -1e-12) & (_least(z) > 1e-3)
    x0, x1 = np.ceil(np.maximum(_least(x), 0)), np.floor(np.minimum(_greatest(x), width - 1))
    y0, y1 = np.ceil(np.maximum(_least(y), 0)), np.floor(np.minimum(_greatest(y), height - 1))
    kept = np.flatnonzero(facing & (x1 >= x0) & (y1 >= y0))

    x0, x1, y0, y1 = (bound[kept].astype(np.int64) for bound in (x0, x1, y0, y1))
    columns = x1 - x0 + 1
    counts = columns * (y1 - y0 + 1)
    local = np.repeat(np.arange(len(kept)), counts)
    within = np.arange(len(local)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(within, columns[local])
    px, py = x0[local] + column, y0[local] + row
    triangle = kept[local]

    x, y = ([corner[triangle] for corner in coordinate] for coordinate in (x, y))
    scale = 1.0 / area[triangle]
    w0 = ((x[1] - px) * (y[2] - py) - (x[2] - px) * (y[1] - py)) * scale
    w1 = ((x[2] - px) * (y[0] - py) - (x[0] - px) * (y[2] - py)) * scale
    w2 = 1.0 - w0 - w1
    inside = np.flatnonzero((w0 >= 0) & (w1 >= 0) & (w2 >= 0))
    triangle, px, py = triangle[inside], px[inside], py[inside]
    weights = np.stack([w0[inside], w1[inside], w2[inside]], axis=1)
    inverse = 1.0 / np.maximum(depth, 1e-6)
    near = sum(inverse[faces[triangle, corner]] * weights[:, corner] for corner in range(3))

    # One integer holds depth (high bits) and candidate (low bits): its minimum is the nearest
    # candidate. Positive floats order like their bit patterns; equal depths go to the first.
    bits = near.astype(np.float32).view(np.int32).astype(np.int64)
    key = ((0x7FFFFFFF - bits) << 32) | np.arange(len(near))
    buffer = np.full(height * width, _EMPTY)
    np.minimum.at(buffer, py * width + px, key)
    covered = np.flatnonzero(buffer != _EMPTY)
    winner = buffer[covered] & 0xFFFFFFFF
    return Fragments(
        rows=covered // width,
        columns=covered % width,
        triangles=triangle[winner],
        barycentric=weights[winner],
        inverse_depth=near[winner],
    )


def _least(corners: list[np.ndarray]) -> np.ndarray:
    return np.minimum(np.minimum(corners[0], corners[1]), corners[2])


def _greatest(corners: list[np.ndarray]) -> np.ndarray:
    return np.maximum(np.maximum(corners[0], corners[1]), corners[2])


def interpolate(values: np.ndarray, faces: np.ndarray, fragments: Fragments) -> np.ndarray:
    """Values (N, D) at the fragments of per-vertex ``values`` (V, D), linear in the image.

    Perspective inside one triangle is ignored: triangles here are about a pixel large.
    """
    corners = faces[fragments.triangles]
    return sum(values[corners[:, i]] * fragments.barycentric[:, i, None] for i in range(3))


def nearest_vertex(faces: np.ndarray, fragments: Fragments) -> np.ndarray:
    """(N,) index of the corner with the greatest weight, for labels that cannot be averaged."""
    corner = fragments.barycentric.argmax(axis=1)
    return faces[fragments.triangles, corner]
