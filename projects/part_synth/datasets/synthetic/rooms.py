"""Empty rooms in perspective: textured floor and walls, things on the walls, furniture.

World frame: metres, z up, floor z = 0, the person moves around the origin.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from part_synth.datasets.synthetic.scene import Light, PinholeCamera
from part_synth.datasets.synthetic.textures import (
    Texture,
    fabric,
    floor_texture,
    random_colour,
    wall_texture,
)


@dataclass(frozen=True)
class Box:
    """An upright piece of furniture: ``low`` and ``high`` corners (3,) in metres, a texture."""

    low: np.ndarray
    high: np.ndarray
    texture: Texture


@dataclass(frozen=True)
class Rectangle:
    """A picture, window or door on a wall: along (2,) and height (2,) ranges in metres."""

    along: tuple[float, float]
    height: tuple[float, float]
    colour: np.ndarray
    frame: np.ndarray


@dataclass(frozen=True)
class Room:
    """Floor, four walls that are seen from inside only, things on them and furniture.

    Attributes:
        half: (2,) metres, half the room's size along x and y.
        walls: the textures of the walls at -x, +x, -y, +y; floor: the floor's.
        decorations: per wall, rectangles on it.
        boxes: furniture.
        skirting: (3,) colour of the lowest 9 cm of the walls.
        words: JSON-able description.
    """

    half: np.ndarray
    floor: Texture
    walls: tuple[Texture, ...]
    decorations: tuple[tuple[Rectangle, ...], ...]
    boxes: tuple[Box, ...]
    skirting: np.ndarray
    words: dict


def random_room(rng: np.random.Generator) -> Room:
    """A furnished room of 5 to 8 m."""
    half = rng.uniform(2.4, 4.0, 2)
    floor, floor_name = floor_texture(rng)
    base, base_name = wall_texture(rng)
    walls, names = [], []
    for _ in range(4):
        wall, name = (base, base_name) if rng.random() < 0.5 else wall_texture(rng)
        walls.append(wall)
        names.append(name)
    decorations = tuple(
        tuple(_decoration(rng, half[1 if side < 2 else 0]) for _ in range(rng.integers(1, 4)))
        for side in range(4)
    )
    boxes = tuple(_furniture(rng, half) for _ in range(rng.integers(3, 8)))
    words = {"floor": floor_name, "walls": names, "furniture": len(boxes)}
    skirting = random_colour(rng, (0, 0.3), (0.15, 0.95))
    return Room(half, floor, tuple(walls), decorations, boxes, skirting, words)


def _decoration(rng: np.random.Generator, half: float) -> Rectangle:
    width = rng.uniform(0.4, 1.3)
    start = rng.uniform(-half, half - width)
    door = rng.random() < 0.2
    low = 0.0 if door else rng.uniform(0.7, 1.5)
    top = 2.05 if door else low + rng.uniform(0.3, 1.0)
    colour = random_colour(rng, (0.0, 0.8), (0.2, 1.0))
    return Rectangle((start, start + width), (low, top), colour, random_colour(rng, (0, 0.5)))


def _furniture(rng: np.random.Generator, half: np.ndarray) -> Box:
    """A box against a random wall."""
    size = np.array([rng.uniform(0.4, 1.6), rng.uniform(0.3, 0.7), rng.uniform(0.35, 1.9)])
    axis, side = int(rng.integers(2)), rng.choice([-1.0, 1.0])
    if axis == 0:
        size[[0, 1]] = size[[1, 0]]
    centre = np.zeros(2)
    centre[axis] = side * (half[axis] - size[axis] / 2 - 0.02)
    centre[1 - axis] = rng.uniform(-half[1 - axis], half[1 - axis])
    low = np.array([*(centre - size[:2] / 2), 0.0])
    return Box(low, low + size, fabric(rng)[0])


def furnished_for(room: Room, views: Iterable[PinholeCamera], free: float = 1.2) -> Room:
    """``room`` with only the furniture that stands behind the person in every one of ``views``.

    Args:
        room: with all its furniture.
        views: of one camera over a clip, so that nothing appears or vanishes in it.
        free: metres around the origin, along the optical axis, that no furniture reaches into.
    """
    distinct = {id(view): view for view in views}.values()

    def is_behind(box: Box) -> bool:
        corners = np.stack(np.meshgrid(*np.array([box.low, box.high]).T, indexing="ij"), -1)
        return all(
            view.to_camera(corners)[..., 2].min() > view.to_camera(np.zeros(3))[2] + free
            for view in distinct
        )

    return replace(room, boxes=tuple(box for box in room.boxes if is_behind(box)))


def _room_albedo(
    room: Room, camera: PinholeCamera, rays: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First surface along each ray: albedo (N, 3), normal (N, 3), distance (N,)."""
    number, position = len(rays), camera.position
    best = np.full(number, np.inf)
    albedo, normals = np.full((number, 3), 0.5), np.zeros((number, 3))
    normals[:, 2] = 1.0

    def take(hit: np.ndarray, distance: np.ndarray, colour: np.ndarray, normal: np.ndarray):
        best[hit], albedo[hit], normals[hit] = distance, colour, normal

    with np.errstate(divide="ignore", invalid="ignore"):
        distance = -position[2] / rays[:, 2]
        hit = np.flatnonzero(np.isfinite(distance) & (distance > 0))
        points = position + distance[hit, None] * rays[hit]
        take(hit, distance[hit], room.floor(points[:, 0], points[:, 1]), np.array([0, 0, 1.0]))

        for wall in range(4):
            axis, sign = wall // 2, -1.0 if wall % 2 == 0 else 1.0
            distance = (sign * room.half[axis] - position[axis]) / rays[:, axis]
            # A wall is seen from inside only, so cameras may stand behind one.
            inward = rays[:, axis] * sign > 1e-9
            hit = np.flatnonzero(inward & (distance > 0) & (distance < best))
            points = position + distance[hit, None] * rays[hit]
            normal = np.zeros(3)
            normal[axis] = -sign
            colour = _wall_colour(room, wall, points[:, 1 - axis], points[:, 2])
            take(hit, distance[hit], colour, normal)

        for box in room.boxes:
            first, second = ((edge - position) / rays for edge in (box.low, box.high))
            near, far = np.minimum(first, second), np.maximum(first, second)
            enter, leave = near.max(axis=1), far.min(axis=1)
            hit = np.flatnonzero((enter > 0) & (enter < leave) & (enter < best + 1e-6))
            points = position + enter[hit, None] * rays[hit]
            face = near[hit].argmax(axis=1)
            normal = np.zeros((len(hit), 3))
            normal[np.arange(len(hit)), face] = -np.sign(rays[hit, face])
            u = np.where(face == 0, points[:, 1], points[:, 0])
            v = np.where(face == 2, points[:, 1], points[:, 2])
            take(hit, enter[hit], box.texture(u, v), normal)
    return albedo, normals, best


def _wall_colour(room: Room, wall: int, along: np.ndarray, height: np.ndarray) -> np.ndarray:
    colour = np.array(room.walls[wall](along, height))
    for item in room.decorations[wall]:
        inside = (along > item.along[0]) & (along < item.along[1])
        inside &= (height > item.height[0]) & (height < item.height[1])
        border = np.minimum(
            np.minimum(along - item.along[0], item.along[1] - along),
            np.minimum(height - item.height[0], item.height[1] - height),
        )
        colour[inside] = np.where((border < 0.05)[inside, None], item.frame, item.colour)
    colour[height < 0.09] = room.skirting
    return colour


def render_room(
    room: Room, light: Light, camera: PinholeCamera, size: int, supersample: int = 3
) -> np.ndarray:
    """The empty room as the camera sees it: (size, size, 3) float32 RGB in [0, 1]."""
    fine = camera.scaled(supersample)
    side = size * supersample
    v, u = np.mgrid[:side, :side].reshape(2, -1)
    cx, cy = fine.centre
    directions = np.stack([(u - cx) / fine.focal, (v - cy) / fine.focal, np.ones(side * side)], -1)
    rays = np.einsum("ij,nj->ni", fine.rotation.T, directions)
    albedo, normals, distance = _room_albedo(room, camera, rays)
    # Corners of a room are darker than the middle of its surfaces.
    points = camera.position + np.where(np.isfinite(distance), distance, 0)[:, None] * rays
    gap = np.minimum(np.abs(room.half - np.abs(points[:, :2])).min(axis=1), 1.0)
    dim = 0.82 + 0.18 * np.minimum(gap, np.where(normals[:, 2] > 0.5, 1.0, points[:, 2]) + 0.2)
    image = albedo * light.shade(normals) * np.clip(dim, 0.6, 1.0)[:, None]
    image = image.reshape(side, side, 3).astype(np.float32)
    return np.clip(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), 0, 1)
