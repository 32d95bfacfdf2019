"""Software drawing of 2D and 3D skeletons with numpy and OpenCV.

Images are RGB uint8 (H, W, 3); 0 is the centre of the first pixel. K joints.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from part_synth.geometry import H36M17, Skeleton, view_rotation
from part_synth.visualization.palette import (
    BACKGROUND_COLOUR,
    FLOOR_COLOUR,
    GHOST_COLOUR,
    limb_colours,
)

# OpenCV draws at 1 / 2**_SHIFT pixel, so that thin limbs do not jump between frames.
_SHIFT = 4
# Joints this far outside the picture are as good as at infinity, and int32 never overflows.
_FAR = 1e5
# The eye of the 3D view: far enough that near and far limbs keep their proportions.
_CAMERA_DISTANCE = 6.0
# The panel shows this many metres, centred a little above the pelvis: room for raised arms.
_EXTENT = 2.2
_CENTRE_LIFT = 0.1
_FLOOR_HALF_SIZE = 1.0
_FLOOR_STEP = 0.5


def draw_skeleton_2d(
    image: np.ndarray,
    keypoints: np.ndarray,
    skeleton: Skeleton = H36M17,
    visible: np.ndarray | None = None,
    thickness: float | None = None,
) -> np.ndarray:
    """Draw a 2D skeleton over an image: left orange, right blue, centre grey, white rims.

    Args:
        image: RGB (H, W, 3) uint8; not changed.
        keypoints: (K, 2) px.
        skeleton: Names the sides and lists the limbs.
        visible: Mask (K,); limbs with an unseen or non-finite end are left out.
        thickness: Width of a limb in px; None fits it to the image.

    Returns:
        RGB (H, W, 3) uint8, a new image.

    Raises:
        ValueError: The image or the joints have another shape.
    """
    canvas = _check_image(image).copy()
    keypoints = _check_joints(keypoints, skeleton, 2)
    drawn = np.isfinite(keypoints).all(-1)
    if visible is not None:
        drawn &= np.asarray(visible).reshape(-1) > 0
    width = thickness or max(1.0, min(image.shape[:2]) / 64.0)
    colours = limb_colours(skeleton)
    limbs = [i for i, (a, b) in enumerate(skeleton.limbs) if drawn[a] and drawn[b]]
    # All rims first: a rim must not cut through the neighbour's limb.
    for rim in (True, False):
        for i in limbs:
            a, b = skeleton.limbs[i]
            colour = (255, 255, 255) if rim else colours[i].tolist()
            _limb(canvas, keypoints[a], keypoints[b], colour, width + 1.2 * rim)
    for joint in np.flatnonzero(drawn):
        _dot(canvas, keypoints[joint], (30, 30, 30), 0.45 * width)
    return canvas


def draw_skeleton_3d(
    joints_cam: np.ndarray,
    size: int = 192,
    azimuth: float = 0.0,
    elevation: float = 0.2,
    ghost: np.ndarray | None = None,
    gravity: np.ndarray | None = None,
    skeleton: Skeleton = H36M17,
    extent: float = _EXTENT,
) -> np.ndarray:
    """Draw a 3D pose from a steady viewpoint over a floor grid (squares of half a metre).

    The pelvis stays in the middle and the scale never changes, so that pictures of different
    poses and epochs can be compared. Nearer limbs hide farther ones and are drawn stronger.
    Left is orange, right is blue, the centre is grey; the ghost is light grey.

    Args:
        joints_cam: (K, 3) metres, camera frame (x right, y down, z forward); the root is moved to
            the origin.
        size: Side of the square picture, px.
        azimuth: Turn of the viewpoint about the vertical, rad; 0 looks as the camera does.
        elevation: Height of the viewpoint, rad, above 0 looking down.
        ghost: (K, 3) a second pose drawn behind in light grey, for example the truth.
        gravity: (3,) direction of gravity in the camera frame; when given, the scene is turned
            upright first. None takes the camera's y axis for down.
        skeleton: Names the sides and lists the limbs.
        extent: Metres that the picture shows from top to bottom.

    Returns:
        RGB (size, size, 3) uint8.

    Raises:
        ValueError: The joints or ``gravity`` have another shape.
    """
    upright = np.eye(3) if gravity is None else upright_rotation(gravity)
    joints = _check_joints(joints_cam, skeleton, 3)
    joints = (joints - joints[0]) @ upright.T
    poses = [(joints, limb_colours(skeleton))]
    if ghost is not None:
        ghost = _check_joints(ghost, skeleton, 3)
        ghost = (ghost - ghost[0]) @ upright.T
        poses.insert(0, (ghost, np.tile(np.uint8(GHOST_COLOUR), (len(skeleton.limbs), 1))))
    canvas = np.full((size, size, 3), BACKGROUND_COLOUR, np.uint8)
    angles = torch.tensor([azimuth, elevation, 0.0], dtype=torch.float64)
    rotation = view_rotation(*angles).numpy()
    # The truth stands on the floor where there is one: a bad prediction may float or sink.
    _floor(canvas, _lowest(poses[0][0]), rotation, extent)
    for pose, colours in poses:
        _pose_3d(canvas, pose, colours, skeleton, rotation, extent)
    return canvas


def upright_rotation(gravity: np.ndarray) -> np.ndarray:
    """Smallest rotation that turns the direction of gravity to +y (down).

    Args:
        gravity: (3,) direction in the camera frame, any length.

    Returns:
        (3, 3) rotation.

    Raises:
        ValueError: ``gravity`` is no direction.
    """
    gravity = np.asarray(gravity, dtype=np.float64)
    norm = np.linalg.norm(gravity)
    if gravity.shape != (3,) or not np.isfinite(norm) or norm < 1e-9:
        raise ValueError(f"gravity must be a direction (3,), got {gravity.tolist()}.")
    down = np.array([0.0, 1.0, 0.0])
    axis = np.cross(gravity / norm, down)
    if np.linalg.norm(axis) < 1e-9:
        # Parallel, or upside down: half a turn about the optical axis.
        return np.eye(3) if gravity[1] > 0 else np.diag([-1.0, -1.0, 1.0])
    angle = np.arctan2(np.linalg.norm(axis), gravity[1] / norm)
    return cv2.Rodrigues(axis / np.linalg.norm(axis) * angle)[0]


def _pose_3d(
    canvas: np.ndarray,
    joints: np.ndarray,
    colours: np.ndarray,
    skeleton: Skeleton,
    rotation: np.ndarray,
    extent: float,
) -> None:
    finite = np.isfinite(joints).all(-1)
    pixels, depth = _view(np.nan_to_num(joints), rotation, canvas.shape[0], extent)
    width = canvas.shape[0] / 52.0
    limbs = [i for i, (a, b) in enumerate(skeleton.limbs) if finite[a] and finite[b]]
    limb_depth = np.array([depth[list(pair)].mean() for pair in skeleton.limbs])
    for i in sorted(limbs, key=lambda i: -limb_depth[i]):
        a, b = skeleton.limbs[i]
        # Far limbs fade into the paper.
        strength = np.clip(0.85 - 0.5 * limb_depth[i], 0.45, 1.0)
        colour = strength * colours[i] + (1.0 - strength) * 255.0
        _limb(canvas, pixels[a], pixels[b], (255, 255, 255), width + 1.6)
        _limb(canvas, pixels[a], pixels[b], colour.tolist(), width)
        if skeleton.joint_names[b] == "head":
            _dot(canvas, pixels[b], colour.tolist(), 1.1 * width)


def _floor(canvas: np.ndarray, height: float, rotation: np.ndarray, extent: float) -> None:
    ticks = np.arange(-_FLOOR_HALF_SIZE, _FLOOR_HALF_SIZE + 1e-9, _FLOOR_STEP)
    for tick in ticks:
        for ends in (
            [[tick, height, -_FLOOR_HALF_SIZE], [tick, height, _FLOOR_HALF_SIZE]],
            [[-_FLOOR_HALF_SIZE, height, tick], [_FLOOR_HALF_SIZE, height, tick]],
        ):
            (a, b), _ = _view(np.array(ends), rotation, canvas.shape[0], extent)
            _limb(canvas, a, b, FLOOR_COLOUR, 1.0)


def _view(
    points: np.ndarray, rotation: np.ndarray, size: int, extent: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) and depths (N,) of points (N, 3) seen by the eye of the 3D view."""
    seen = (points + np.array([0.0, _CENTRE_LIFT, 0.0])) @ rotation.T
    depth = np.maximum(seen[:, 2] + _CAMERA_DISTANCE, 0.1)
    scale = size / extent * _CAMERA_DISTANCE / depth
    return seen[:, :2] * scale[:, None] + (size - 1) / 2.0, seen[:, 2]


def _lowest(joints: np.ndarray) -> float:
    """Height (y, down) of the lowest joint, a standing person's where no joint is finite."""
    finite = joints[np.isfinite(joints).all(-1)]
    return float(np.clip(finite[:, 1].max(), 0.0, 1.1)) if len(finite) else 0.95


def _limb(canvas: np.ndarray, a: np.ndarray, b: np.ndarray, colour, width: float) -> None:
    cv2.line(canvas, _fixed(a), _fixed(b), tuple(colour), max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _dot(canvas: np.ndarray, centre: np.ndarray, colour, radius: float) -> None:
    radius = max(1, round(radius * 2**_SHIFT))
    cv2.circle(canvas, _fixed(centre), radius, tuple(colour), -1, cv2.LINE_AA, _SHIFT)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(point, -_FAR, _FAR) * 2**_SHIFT
    return round(float(x)), round(float(y))


def _check_image(image: np.ndarray) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image)
        raise ValueError(f"image must be RGB uint8 (H, W, 3), got {got}.")
    return np.ascontiguousarray(image)


def _check_joints(joints: np.ndarray, skeleton: Skeleton, dims: int) -> np.ndarray:
    joints = np.asarray(joints, dtype=np.float64)
    if joints.shape != (skeleton.num_joints, dims):
        raise ValueError(
            f"Expected joints of shape ({skeleton.num_joints}, {dims}), got {joints.shape}."
        )
    return joints
