"""The moving-camera mode: cameras that walk, pan and shake while they film."""

from dataclasses import replace

import numpy as np

from part_synth.datasets.synthetic.scene import CameraSpot, PinholeCamera, fit_focal, look_at


def travelling_cameras(
    spot: CameraSpot, points: np.ndarray, size: int, fps: float, rng: np.random.Generator
) -> list[PinholeCamera]:
    """One view per frame of a camera that starts near ``spot`` and follows the person.

    It walks around the person at up to 0.5 m/s, comes nearer or goes farther at up to 0.2 m/s,
    looks at the person with a lag, and shakes by a fraction of a degree like a hand-held camera.

    Args:
        spot: where a camera that stands still would be.
        points: (T, N, 3) metres in the world, the outline of the person.
        size: side of the image, px.
        fps: frames per second.
        rng: draws the path and the shake.

    Returns:
        T cameras of one focal length.
    """
    frames = len(points)
    seconds = np.arange(frames) / fps
    azimuth = spot.azimuth + rng.uniform(-0.5, 0.5) / spot.distance * seconds
    distance = spot.distance + rng.uniform(-0.2, 0.2) * seconds
    bob = 0.015 * np.sin(2 * np.pi * rng.uniform(1.2, 2.0) * seconds + rng.uniform(0, 6))
    middle = points.mean(axis=1)
    follow = middle.copy()
    for frame in range(1, frames):
        follow[frame] = follow[frame - 1] + 0.5 * (middle[frame] - follow[frame - 1])
    shake = np.deg2rad(0.25) * np.cumsum(rng.standard_normal((frames, 2)), axis=0)
    shake -= shake.mean(axis=0)

    views = []
    for frame in range(frames):
        around = [np.cos(azimuth[frame]), np.sin(azimuth[frame])]
        position = np.array([*(distance[frame] * np.array(around)), spot.height + bob[frame]])
        target = follow[frame] + distance[frame] * np.array([0.0, 0.0, shake[frame, 1]])
        rotation = look_at(position, target, spot.roll + shake[frame, 0])
        centre = ((size - 1) / 2, (size - 1) / 2)
        views.append(PinholeCamera(rotation, position, 1.0, centre))
    focal = min(fit_focal(view, points[i : i + 1], size) for i, view in enumerate(views))
    return [replace(view, focal=focal) for view in views]
