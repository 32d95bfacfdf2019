"""A picture of a puppet: its parts and virtual joints by name, and how it looks in other poses."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch
from torch import Tensor

from part_synth.models import CropCamera, Puppet, fit_to_crop
from part_synth.visualization.palette import BACKGROUND_COLOUR, TEXT_COLOUR
from part_synth.visualization.parts import part_colours

_FONT, _FONT_SCALE, _LINE = cv2.FONT_HERSHEY_SIMPLEX, 0.42, 17
_DISTANCE = 4.5  # of the camera, metres


@torch.no_grad()
def puppet_sheet(puppet: Puppet, poses: Mapping[str, Tensor], large: int = 480) -> np.ndarray:
    """Draw a puppet.

    Above: the first pose with the names of the parts, and again from an angle with the names of
    the virtual joints. Below: all other poses, every second one from behind.

    Args:
        puppet: The puppet.
        poses: (17, 3) poses by caption, body frame, metres; the first one should stand upright.
        large: Side of the upper pictures, px.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: There is no pose.
    """
    if not poses:
        raise ValueError("puppet_sheet needs at least one pose.")
    (caption, first), *others = poses.items()
    parts, _, labels = _draw(puppet, first, 0.0, large, 1.8)
    anchors = {
        name: (columns.mean(), rows.mean())
        for i, name in enumerate(puppet.part_names)
        if i and len((where := np.nonzero(labels == i))[0])
        for rows, columns in [where]
    }
    _name(parts, anchors, f"{caption}: parts")
    joints, places, _ = _draw(puppet, first, 0.6, large, 1.8)
    places = dict(zip(puppet.joint_names, places, strict=True))
    virtual = {name: places[name] for name in puppet.joint_names[17:]}
    for name, place in places.items():
        colour = (255, 255, 255) if name in virtual else (60, 60, 60)
        cv2.circle(joints, _pixel(place), 3, colour, -1, cv2.LINE_AA)
        cv2.circle(joints, _pixel(place), 3, TEXT_COLOUR, 1, cv2.LINE_AA)
    _name(joints, virtual, f"{caption}: virtual joints (white)")
    sheet = [np.concatenate([parts, joints], axis=1)]
    if others:
        small = 2 * large // len(others)
        row = []
        for i, (caption, pose) in enumerate(others):
            image, _, _ = _draw(puppet, pose, (0.5, 2.4)[i % 2], small, 1.5)
            _write(image, caption + ("", ", from behind")[i % 2], 8, _LINE)
            row.append(image)
        row = np.concatenate(row, axis=1)
        rest = 2 * large - row.shape[1]
        sheet.append(np.pad(row, ((0, 0), (0, rest), (0, 0)), mode="edge"))
    return np.concatenate(sheet)


def _draw(
    puppet: Puppet, pose: Tensor, azimuth: float, size: int, extent: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (S, S, 3), places of the extended joints (E, 2) px, part labels (S, S)."""
    zero = torch.zeros(1)
    camera = CropCamera(zero + azimuth, zero + 0.1, zero, zero + 1, torch.zeros(1, 2), _DISTANCE)
    seen = camera.rotate(puppet.extend_joints(pose[None].float()))
    camera = fit_to_crop(camera, seen, zero + extent, torch.zeros(1, 2))
    points = camera.project(seen)
    maps = puppet(points, seen[..., 2], camera.scale, (size, size), blur=0.5, details=True)
    colours = torch.from_numpy(part_colours(len(puppet.part_names))).float()
    colours[0] = torch.tensor(BACKGROUND_COLOUR)
    image = torch.einsum("phw,pc->hwc", maps.parts[0], colours)
    # Darker towards the outline of each capsule, so that capsules of one part can be told apart.
    shade = 1 - 0.45 * maps.shade[0].square() * maps.foreground[0]
    image = (image * shade[..., None]).clamp(0, 255).byte().numpy()
    places = ((points[0] + 1) * size / 2).numpy()
    return np.ascontiguousarray(image), places, maps.parts[0].argmax(0).numpy()


def _pixel(place: np.ndarray) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _write(image: np.ndarray, text: str, left: int, bottom: int) -> None:
    origin = (left, bottom)
    cv2.putText(image, text, origin, _FONT, _FONT_SCALE, TEXT_COLOUR, 1, cv2.LINE_AA)


def _name(image: np.ndarray, anchors: Mapping[str, tuple[float, float]], caption: str) -> None:
    """Write names at the left and right edges, with lines to their places (x, y), px."""
    size = len(image)
    _write(image, caption, 8, _LINE)
    across = sorted(anchors, key=lambda name: anchors[name][0])
    half = len(across) // 2
    for names, left in ((across[:half], True), (across[half:], False)):
        names = sorted(names, key=lambda name: anchors[name][1])
        bottom = 2 * _LINE
        for i, name in enumerate(names):
            # As level with its place as the names above and below leave it.
            latest = size - _LINE * (len(names) - i)
            bottom = max(bottom + _LINE, min(round(anchors[name][1]), latest))
            width = cv2.getTextSize(name, _FONT, _FONT_SCALE, 1)[0][0]
            x = 8 if left else size - 8 - width
            start = (x + width + 4 if left else x - 4, bottom - 4)
            cv2.line(image, start, _pixel(anchors[name]), (120, 120, 120), 1, cv2.LINE_AA)
            _write(image, name, x, bottom)
