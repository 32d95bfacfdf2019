"""Trivial answers that every table of ours carries beside the network's.

The mean pose is the strongest of them for P-MPJPE: the mean of reference poses that were first
turned to face one way. The mean of poses as cameras see them is far weaker, and beating it would
prove little.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from part_synth.geometry import canonicalise_camera_pose, to_body_frame

# Enough to fix a mean to a fraction of a millimetre, and little memory.
MAX_REFERENCE_POSES = 20000


def load_reference_poses(
    path: str | Path, split: str = "train", max_poses: int = MAX_REFERENCE_POSES
) -> Tensor:
    """Read the poses that baselines are made of, turned to face one way.

    Two npz layouts are read: unpaired poses (``xyz`` (M, K, 3) metres, world z up, with per-clip
    ``start``, ``length`` and ``split``) and Human3.6M annotations (``S`` (M, K, 3 or 4) metres,
    camera frame), so that training annotations serve where there are no unpaired poses.

    Args:
        path: The npz file.
        split: Only clips of this split are used when the file names splits.
        max_poses: Larger sets are thinned evenly to this many.

    Returns:
        Joints (M, K, 3) float64, metres: body frame for ``xyz``, the frame of hips and trunk for
        ``S`` (gravity is unknown there).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds neither ``xyz`` nor ``S``, no pose of ``split``, or values
            that are not metres.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Reference poses for the mean-pose and random-pose baselines not found: {path}. "
            "Make it with `python tools/dataset_converters/make_synthetic.py --out "
            "data/synthetic_mocap`, or set reference_poses to an npz of training "
            "poses."
        )
    with np.load(path, allow_pickle=False) as data:
        if "xyz" in data.files:
            poses = data["xyz"][_frames_of_split(data, split, path)]
        elif "S" in data.files:
            poses = data["S"][..., :3]
        else:
            raise ValueError(
                f"{path} holds no poses: expected an array 'xyz' (unpaired poses) or 'S' "
                f"(Human3.6M annotations), found {sorted(data.files)}."
            )
        world_frame = "xyz" in data.files
    if poses.ndim != 3 or poses.shape[-1] != 3 or len(poses) == 0:
        raise ValueError(f"{path}: expected poses of shape (M, K, 3), got {poses.shape}.")
    step = -(-len(poses) // max_poses)
    joints = torch.from_numpy(np.ascontiguousarray(poses[::step], dtype=np.float64))
    _check_metres(joints, path)
    canonicalise = to_body_frame if world_frame else canonicalise_camera_pose
    return canonicalise(joints)[0]


def canonical_mean_pose(poses: Tensor | np.ndarray) -> Tensor:
    """Mean of poses that face one way.

    Args:
        poses: Joints (M, K, 3), metres, root-centred and turned to one heading, as
            :func:`load_reference_poses` returns them.

    Returns:
        Mean pose (K, 3), metres, in the frame of ``poses``.

    Raises:
        ValueError: The shape is another, or there is no pose.
    """
    return _check_reference(poses).mean(0)


def random_poses(poses: Tensor | np.ndarray, num: int, seed: int = 0) -> Tensor:
    """One reference pose per test sample, drawn with a fixed seed.

    Args:
        poses: Joints (M, K, 3), metres.
        num: Number of test samples N.
        seed: Same seed, same draw.

    Returns:
        Joints (N, K, 3), metres.

    Raises:
        ValueError: The shape is another, or there is no pose.
    """
    poses = _check_reference(poses)
    index = np.random.default_rng(seed).integers(len(poses), size=num)
    return poses[torch.from_numpy(index).to(poses.device)]


def _check_reference(poses: Tensor | np.ndarray) -> Tensor:
    poses = torch.as_tensor(poses)
    if poses.ndim != 3 or poses.shape[-1] != 3 or len(poses) == 0:
        raise ValueError(
            f"Reference poses must have shape (M, K, 3) with M > 0, got {tuple(poses.shape)}."
        )
    return poses


def _frames_of_split(data: np.lib.npyio.NpzFile, split: str, path: Path) -> np.ndarray | slice:
    """Frames of the clips of one split; all of them when the file names no splits."""
    if not {"split", "start", "length"} <= set(data.files):
        return slice(None)
    chosen = np.flatnonzero(data["split"].astype(str) == split)
    if len(chosen) == 0:
        names = sorted(set(data["split"].astype(str).tolist()))
        raise ValueError(f"{path} holds no clip of split {split!r}, only of {names}.")
    start, length = data["start"][chosen], data["length"][chosen]
    # Clip by clip, because the frames of a split need not be contiguous.
    return np.concatenate([np.arange(s, s + n) for s, n in zip(start, length, strict=True)])


def _check_metres(joints: Tensor, path: Path) -> None:
    if not torch.isfinite(joints).all():
        raise ValueError(f"{path} holds poses with NaN or infinite values: remove them.")
    extent = float((joints.amax(1) - joints.amin(1)).norm(dim=-1).median())
    if not 0.3 < extent < 5.0:
        raise ValueError(
            f"{path}: a typical pose measures {extent:.4g} from corner to corner, which is no "
            "person in metres. Convert the poses to metres."
        )
