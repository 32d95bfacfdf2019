"""Noise on 2D joints as a keypoint detector makes it.

All numbers here are ours (proposed): chosen to look like what detectors do, not measured on one.

Symbols: T frames, K = 17 joints in Human3.6M order. Pixels.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from part_synth.geometry import H36M17

# Standard deviation of each joint relative to the others (proposed): limbs' ends are small, fast
# and often hidden, the trunk is large and slow.
_RELATIVE = {
    "root": 0.7,
    "hip": 0.75,
    "knee": 1.1,
    "foot": 1.4,
    "spine": 0.7,
    "thorax": 0.6,
    "neck_base": 0.65,
    "head": 0.8,
    "shoulder": 0.8,
    "elbow": 1.2,
    "wrist": 1.6,
}
_STATED_FOR = 1000.0  # px, side of the image that sigma is stated for
_SLOW_SHARE = 0.5  # of the Gaussian variance that persists from frame to frame (proposed)
_PERSISTENCE = 0.9  # AR(1) coefficient from one frame to the next (proposed: 0.3 s at 30 fps)
_OUTLIER = (4.0, 8.0)  # length of an outlier's displacement, in sigma (proposed)
# Joints that change sides together.
_LIMBS = (("hip", "knee", "foot"), ("shoulder", "elbow", "wrist"))


def joint_sigmas() -> np.ndarray:
    """Standard deviation of each joint for a sigma of 1.

    Returns:
        np.ndarray: (17,) float64 with a root mean square of 1.
    """
    plain = [name.removeprefix("left_").removeprefix("right_") for name in H36M17.joint_names]
    relative = np.array([_RELATIVE[name] for name in plain])
    return relative / np.sqrt((relative**2).mean())


def detector_noise(
    keypoints: np.ndarray,
    sigma_px: float,
    rng: np.random.Generator,
    image_size: float = 1000.0,
    clip: bool = False,
    outlier_share: float = 0.02,
    swap_share: float = 0.005,
) -> np.ndarray:
    """2D joints as a detector might see them.

    Three errors follow one another; their sizes and shares are ours (proposed), not measured:

    1. Limbs change sides: in a share of the frames both legs (hip to ankle), and independently in
       the same share both arms (shoulder to wrist), are taken for each other.
    2. Gaussian noise on x and y. Wrists, ankles, elbows and knees get more than hips and trunk; the
       root mean square over the 17 joints is sigma. In a clip half of the variance is an AR(1)
       process (coefficient 0.9 per frame), the other half is new in every frame; the variance of a
       single frame is the same either way.
    3. Outliers: a share of all joints is off by 4 to 8 sigma in any direction instead.

    Args:
        keypoints (np.ndarray): (*, 17, 2) px; with ``clip`` (*, T, 17, 2).
        sigma_px (float): Standard deviation per coordinate, px of a 1000 px image.
        rng (np.random.Generator): Source of all numbers.
        image_size (float): Side of the image, px; the noise grows with it.
        clip (bool): Whether the axis before the joints is time.
        outlier_share (float): Share of the joints that are outliers.
        swap_share (float): Share of the frames in which the legs, and in which the arms, change
            sides.

    Returns:
        np.ndarray: Noisy joints, float64, of the shape of ``keypoints``; some may lie outside of
        the image.

    Raises:
        ValueError: A shape, a size or a share is not possible.
    """
    keypoints = np.asarray(keypoints, dtype=np.float64)
    if keypoints.shape[-2:] != (H36M17.num_joints, 2) or (clip and keypoints.ndim < 3):
        raise ValueError(
            f"Expected {'clips (*, T, 17, 2)' if clip else 'joints (*, 17, 2)'}, got the shape "
            f"{keypoints.shape}."
        )
    if not (np.isfinite(sigma_px) and sigma_px >= 0):
        raise ValueError(f"sigma_px must be 0 or more, got {sigma_px}.")
    if not (np.isfinite(image_size) and image_size > 0):
        raise ValueError(f"image_size must be positive, got {image_size}.")
    for name, share in (("outlier_share", outlier_share), ("swap_share", swap_share)):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"{name} must be between 0 and 1, got {share}.")
    sigma = sigma_px * image_size / _STATED_FOR
    seen = _swap_sides(keypoints, swap_share, rng)
    noise = sigma * joint_sigmas()[:, None] * _gaussian(keypoints.shape, clip, rng)
    angle = rng.uniform(0.0, 2 * np.pi, keypoints.shape[:-1])
    reach = sigma * rng.uniform(*_OUTLIER, keypoints.shape[:-1])
    gross = reach[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    outlier = rng.random(keypoints.shape[:-1]) < outlier_share
    return seen + np.where(outlier[..., None], gross, noise)


def _gaussian(shape: tuple[int, ...], clip: bool, rng: np.random.Generator) -> np.ndarray:
    """Numbers of variance 1; with ``clip`` correlated along the third last axis."""
    new = rng.standard_normal(shape)
    if not clip:
        return new
    drive = rng.standard_normal(shape)
    # The process starts in its stationary state, so that the first frame is like all others.
    drive[..., 1:, :, :] *= np.sqrt(1.0 - _PERSISTENCE**2)
    slow = lfilter([1.0], [1.0, -_PERSISTENCE], drive, axis=-3)
    return np.sqrt(_SLOW_SHARE) * slow + np.sqrt(1.0 - _SLOW_SHARE) * new


def _swap_sides(keypoints: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Exchange left and right legs, and arms, in a share of the frames."""
    out = keypoints
    swapped = rng.random((len(_LIMBS), *keypoints.shape[:-2])) < share
    for limb, where in zip(_LIMBS, swapped, strict=True):
        order = np.arange(H36M17.num_joints)
        for joint in limb:
            left, right = (H36M17.index(f"{side}_{joint}") for side in ("left", "right"))
            order[[left, right]] = right, left
        out = np.where(where[..., None, None], out[..., order, :], out)
    return out
