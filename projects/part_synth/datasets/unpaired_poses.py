"""3D poses that belong to no image: what a person can look like, not what anyone did."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from part_synth.datasets.frame_index import NUM_JOINTS
from part_synth.datasets.metainfo import h36m_metainfo
from part_synth.geometry import mirror, skeleton_from_names, to_body_frame
from part_synth.registry import DATASETS

# A neck-to-pelvis distance, metres, no grown or growing person leaves. Outside of it the unit is
# another one (millimetres: 400 and more; centimetres: 40).
_TRUNK_RANGE = (0.15, 1.0)


def load_unpaired_poses(
    path: str | Path,
    split: str | None = "train",
    frame_step: int = 1,
    actions: Sequence[str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Load 3D poses and turn each into the body frame.

    Args:
        path (str | Path): An npz with ``xyz`` (M, 17, 3) in metres, z up, and optionally
            ``joint_names`` (17,) (other orders are brought into Human3.6M's by name) and clips
            (``start``, ``length``, ``split``, ``action``, each (C,)); or a BVH file or a
            folder of them (:func:`part_synth.datasets.motion_io.load_motions`).
        split (str | None): Keep the clips of this split, where the file tells; None keeps all.
        frame_step (int): Keep every n-th pose: neighbours in time are nearly the same.
        actions (Sequence[str] | None): Keep the clips of these activities.
        dtype (torch.dtype): Floating point type of the result.

    Returns:
        torch.Tensor: (M, 17, 3) metres, body frame: pelvis at the origin, x to the person's left, y
        down along gravity, z to the person's back.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else, values that are not finite or not metres, or no pose
            is left.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"There is no file of unpaired 3D poses {path}. Give an npz with `xyz` (M, 17, 3) in "
            "metres, z up, or make the embedded data set, which brings one as unpaired_poses.npz: "
            "`python tools/dataset_converters/make_synthetic.py --out data/synthetic_mocap`."
        )
    if frame_step < 1:
        raise ValueError(f"`frame_step` must be at least 1, got {frame_step}.")
    xyz, keep = (
        _read_npz(path, split, actions)
        if path.suffix == ".npz"
        else _read_other(path, split, actions)
    )
    poses = torch.from_numpy(xyz[keep][::frame_step]).to(dtype)
    if len(poses) == 0:
        raise ValueError(
            f"{path}: no pose is left with split={split!r}, actions={actions!r}. Set them to None "
            "or to values that the file has."
        )
    if not torch.isfinite(poses).all():
        raise ValueError(f"{path}: `xyz` has values that are not finite. Remove those frames.")
    trunk = torch.linalg.vector_norm(poses[:, 8] - poses[:, 0], dim=-1).median().item()
    if not _TRUNK_RANGE[0] < trunk < _TRUNK_RANGE[1]:
        raise ValueError(
            f"{path}: the pelvis and the thorax are {trunk:.4g} apart, so the unit is not the "
            "metre. Divide millimetres by 1000, centimetres by 100."
        )
    return to_body_frame(poses)[0]


def _read_npz(
    path: Path, split: str | None, actions: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, 17, 3) and a mask (N,) of those wanted."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} can't be read as an npz of plain arrays ({error}).") from error
    xyz = arrays.get("xyz")
    if xyz is None or xyz.ndim != 3 or xyz.shape[-1] != 3:
        found = {key: array.shape for key, array in arrays.items()}
        raise ValueError(f"{path} needs `xyz` of shape (M, 17, 3), metres, z up; it has {found}.")
    if "joint_names" in arrays:
        xyz = xyz[:, skeleton_from_names([str(name) for name in arrays["joint_names"]])]
    elif xyz.shape[1] != NUM_JOINTS:
        raise ValueError(
            f"{path}: `xyz` has {xyz.shape[1]} joints and there are no `joint_names` to choose the "
            "17 of Human3.6M by."
        )
    keep = np.ones(len(xyz), dtype=bool)
    wanted_clips = {"split": None if split is None else [split], "action": actions}
    for key, wanted in wanted_clips.items():
        if wanted is None or key not in arrays or "start" not in arrays or "length" not in arrays:
            continue
        keep &= _frames_of_clips(arrays, np.isin(arrays[key], list(wanted)), path)
    return xyz, keep


def _frames_of_clips(arrays: dict, wanted: np.ndarray, path: Path) -> np.ndarray:
    """(N,) bool, frames of the clips marked in ``wanted`` (C,)."""
    count = len(arrays["xyz"])
    start, length = arrays["start"].astype(np.int64), arrays["length"].astype(np.int64)
    if (start < 0).any() or (length < 0).any() or (start + length > count).any():
        raise ValueError(f"{path}: `start` and `length` reach beyond the {count} poses of `xyz`.")
    change = np.zeros(count + 1, dtype=np.int64)
    np.add.at(change, start[wanted], 1)
    np.add.at(change, (start + length)[wanted], -1)
    return np.cumsum(change[:-1]) > 0


def _read_other(
    path: Path, split: str | None, actions: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Poses and mask of a motion capture file."""
    from part_synth.datasets.motion_io import load_motions

    clips = load_motions(path)
    arrays = {"xyz": clips.xyz, "start": clips.start, "length": clips.length}
    wanted = np.ones(len(clips.start), dtype=bool)
    if split is not None:
        wanted &= np.asarray(clips.split) == split
    if actions is not None:
        wanted &= np.isin(clips.action, list(actions))
    return np.asarray(clips.xyz), _frames_of_clips(arrays, wanted, path)


@DATASETS.register_module()
class UnpairedPoseDataset(Dataset):
    """3D poses without images, all in memory.

    Models that need a pose prior read :attr:`poses_body`; as a data set it gives one pose per
    index.

    Args:
        path (str | Path): See :func:`load_unpaired_poses`.
        split (str | None): Split of the clips to keep.
        frame_step (int): Keep every n-th pose.
        actions (Sequence[str] | None): Activities to keep.
        flip (bool): Double the set by mirror images: people move alike on both sides.
        portion (tuple[float, float]): Part of the file to take, as shares of its poses in order:
            (0, 0.9) to train on and (0.9, 1) to validate on other clips.
        data_root (str | None): Folder that ``path`` is relative to.
        synthetic (dict | None): Recipe of the embedded synthetic set, made at ``data_root`` if it
            is not there yet.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else, or ``synthetic`` comes without ``data_root``.
    """

    def __init__(
        self,
        path: str | Path = "unpaired_poses.npz",
        split: str | None = "train",
        frame_step: int = 1,
        actions: Sequence[str] | None = None,
        flip: bool = True,
        portion: tuple[float, float] = (0.0, 1.0),
        data_root: str | Path | None = None,
        synthetic: dict | None = None,
    ) -> None:
        if synthetic is not None:
            if data_root is None:
                raise ValueError("`synthetic` needs `data_root`, the folder to make the data in.")
            from part_synth.datasets.synthetic import ensure_synthetic_mocap

            ensure_synthetic_mocap(data_root, **synthetic)
        path = Path(path) if data_root is None else Path(data_root) / path
        first, last = portion
        if not 0 <= first < last <= 1:
            raise ValueError(f"`portion` must be two rising shares from 0 to 1, got {portion!r}.")
        poses = load_unpaired_poses(path, split, 1, actions)
        poses = poses[round(first * len(poses)) : round(last * len(poses))][::frame_step]
        self.poses_body = torch.cat([poses, mirror(poses)]) if flip else poses
        self._metainfo = h36m_metainfo("unpaired_poses")

    @property
    def metainfo(self) -> dict:
        """Meta information of the joints."""
        return dict(self._metainfo)

    def full_init(self) -> None:
        """Nothing to do: all poses are read at once. mmengine calls it."""

    def get_data_info(self, idx: int) -> dict:
        """One pose.

        Args:
            idx (int): Virtual index, ``epoch * len(self) + i``.

        Returns:
            dict: ``pose_body`` (17, 3) float32, metres, body frame, and ``sample_idx``.
        """
        i = idx % len(self)
        return {"pose_body": self.poses_body[i], "sample_idx": i}

    def __len__(self) -> int:
        return len(self.poses_body)

    def __getitem__(self, idx: int) -> dict:
        return {"inputs": {"pose_body": self.get_data_info(idx)["pose_body"]}, "data_samples": None}
