"""Cameras and lights.

World frame: metres, z up, floor z = 0, the person moves around the origin.
Camera frame: x right, y down, z forward. Pixels: integers are pixel centres.
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class PinholeCamera:
    """A camera without lens distortion.

    Attributes:
        rotation: (3, 3), rows are the camera's axes in the world: X_cam = rotation (X - position).
        position: (3,) metres in the world.
        focal: px.
        centre: (2,) px.
    """

    rotation: np.ndarray
    position: np.ndarray
    focal: float
    centre: tuple[float, float]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World metres (*, 3) to camera metres."""
        return np.einsum("ij,...j->...i", self.rotation, points - self.position)

    def to_pixels(self, points_camera: np.ndarray) -> np.ndarray:
        """Camera metres (*, 3) to pixels (*, 2)."""
        return self.focal * points_camera[..., :2] / points_camera[..., 2:] + np.array(self.centre)

    def scaled(self, factor: int) -> "PinholeCamera":
        """The same view on an image with ``factor`` times as many rows and columns."""
        centre = tuple(factor * (c + 0.5) - 0.5 for c in self.centre)
        return replace(self, focal=self.focal * factor, centre=centre)

    def to_h36m(self, size: int, index: int, name: str) -> dict:
        """The entry of mmpose's ``cameras.pkl``, whose R and T map camera to world."""
        return {
            "R": self.rotation.T.copy(),
            "T": self.position.reshape(3, 1).copy(),
            "c": np.array(self.centre).reshape(2, 1),
            "f": np.full((2, 1), float(self.focal)),
            "k": np.zeros((3, 1)),
            "p": np.zeros((2, 1)),
            "w": size,
            "h": size,
            "name": f"camera{index + 1}",
            "id": name,
        }


def look_at(position: np.ndarray, target: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """Rotation (3, 3) world to camera of a camera at ``position`` facing ``target`` (metres).

    Args:
        position: (3,) metres in the world.
        target: (3,) metres in the world.
        roll: rad, turn about the optical axis.
    """
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    cosine, sine = np.cos(roll), np.sin(roll)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]) @ rotation


@dataclass(frozen=True)
class CameraSpot:
    """Where a camera stands, before its focal length is known.

    Attributes:
        azimuth: rad, direction of the camera seen from the origin.
        distance: metres on the floor, height: metres, roll: rad.
        target: (3,) metres, what it faces.
    """

    azimuth: float
    distance: float
    height: float
    roll: float
    target: np.ndarray

    def view(self, focal: float = 1.0, size: int = 2) -> PinholeCamera:
        """The camera with this focal length (px) on a square image of ``size`` px."""
        position = np.array(
            [
                self.distance * np.cos(self.azimuth),
                self.distance * np.sin(self.azimuth),
                self.height,
            ]
        )
        centre = ((size - 1) / 2, (size - 1) / 2)
        return PinholeCamera(look_at(position, self.target, self.roll), position, focal, centre)


def place_cameras(
    number: int,
    rng: np.random.Generator,
    distance: tuple[float, float] = (4.6, 7.0),
    height: tuple[float, float] = (0.7, 3.0),
) -> list[CameraSpot]:
    """Cameras all around, within ranges of distance and height (m), rolled by a degree or so."""
    first = rng.uniform(0, 2 * np.pi)
    gaps = 2 * np.pi / number
    spots = []
    for index in range(number):
        azimuth = first + gaps * (index + rng.uniform(-0.28, 0.28))
        target = np.array([0.0, 0.0, 0.9]) + rng.normal(0, 0.04, 3)
        spots.append(
            CameraSpot(
                azimuth=float(azimuth % (2 * np.pi)),
                distance=float(rng.uniform(*distance)),
                height=float(rng.uniform(*height)),
                roll=float(rng.normal(0, np.deg2rad(1.0))),
                target=target,
            )
        )
    return spots


def fit_focal(
    camera: PinholeCamera, points: np.ndarray, size: int, fill: float = 0.66, margin: float = 0.03
) -> float:
    """Focal length (px) that shows the person at ``fill`` of the frame, and all of the points.

    Args:
        camera: its place and direction; its own focal length is ignored.
        points: (T, N, 3) metres in the world, the outline of the person in every frame.
        size: side of the image, px.
        fill: wanted median height of the person, as a share of the frame.
        margin: share of the frame that stays free on each side.
    """
    cam = camera.to_camera(points)
    plane = cam[..., :2] / cam[..., 2:]
    wanted = fill * size / np.median(np.ptp(plane[..., 1], axis=1))
    largest = (0.5 - margin) * size / np.abs(plane).max()
    return float(min(wanted, largest))


@dataclass(frozen=True)
class Light:
    """A distant lamp and light from all sides.

    Attributes:
        direction: (3,) unit, from the scene to the lamp.
        colour: (3,) of the lamp; ambient: (3,) of the rest.
        shadow: share of the lamp's light that the floor loses in the shadow.
    """

    direction: np.ndarray
    colour: np.ndarray
    ambient: np.ndarray
    shadow: float

    def shade(self, normals: np.ndarray) -> np.ndarray:
        """RGB factor (*, 3) for surfaces with unit ``normals`` (*, 3); brighter from above."""
        lamp = np.clip(np.einsum("...i,i->...", normals, self.direction), 0, None)[..., None]
        sky = (0.82 + 0.18 * normals[..., 2])[..., None]
        return lamp * self.colour + sky * self.ambient

    @property
    def floor_share(self) -> float:
        """Share of the floor's light that comes from the lamp."""
        lamp = float(np.mean(self.colour) * self.direction[2])
        return lamp / (lamp + float(np.mean(self.ambient)))


def random_light(rng: np.random.Generator) -> Light:
    """A lamp 30 to 65 degrees up, warm or cold."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(30, 65))
    direction = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    warmth = rng.normal(0, 0.05)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    ambient = rng.uniform(0.55, 0.75)
    return Light(
        direction=direction,
        colour=rng.uniform(0.5, 0.75) * tint,
        ambient=ambient * np.array([1 - 0.5 * warmth, 1.0, 1 + 0.5 * warmth]),
        shadow=rng.uniform(0.5, 0.85),
    )
