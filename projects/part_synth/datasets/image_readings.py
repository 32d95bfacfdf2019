"""3D labels read off the frames of a data set by an image model, and what views make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn
from torch.utils.data import DataLoader, Dataset

from part_synth.datasets.collate import collate
from part_synth.datasets.frame_datasets import build_transforms, describe_frames, unknown_camera
from part_synth.datasets.frame_index import FrameGroups, FrameIndex
from part_synth.datasets.transforms import person_crop_pipeline

_BATCH = 64
# Share of the person's extent in the image beyond which a view's joint is taken for wrong: views
# agree on where a joint is less finely than a single one sees it.
_FAR = 0.1


class _CroppedFrames(Dataset):
    """Frames of an index as an image model sees them at test time, without any label."""

    def __init__(self, index: FrameIndex, frame_ids: np.ndarray, crop: dict) -> None:
        self.index = index
        self.frame_ids = frame_ids
        crop = {**crop, "labels": False, "part_labels": False, "cache": None}
        self.steps = build_transforms(person_crop_pipeline(**crop))

    def __len__(self) -> int:
        return len(self.frame_ids)

    def __getitem__(self, place: int) -> dict:
        sample = describe_frames(self.index, self.frame_ids[place : place + 1])
        camera = unknown_camera(sample["camera"])
        sample.update(rng=np.random.default_rng(0), sample_idx=place, camera=camera)
        for step in self.steps:
            sample = step(sample)
        return sample


# Not inference mode: a model that is loaded in it can't fit its puppets by gradient steps.
@torch.no_grad()
def read_images(
    index: FrameIndex, frame_ids: np.ndarray, image_model: str | Sequence[str | Path] | nn.Module
) -> tuple[np.ndarray, np.ndarray]:
    """Read the pose off frames of a data set; their labels stay unseen.

    Runs on a GPU where there is one, in bfloat16.

    Args:
        index (FrameIndex): The frames.
        frame_ids (np.ndarray): (M,) which of them.
        image_model: Name of a model in the package, (config, checkpoint), or a model whose
            ``cfg.test_dataloader.dataset.crop`` says how it wants its crops.

    Returns:
        (N, 17, 3) joints, camera frame, root at the origin, metres for a person of ordinary size,
        and (N, 17, 2) joints in the image, px; float32, NaN for frames not read.

    Raises:
        ValueError: The package has no model of that name, or it reads no pictures.
        FileNotFoundError: A file of the model is missing.
    """
    model = _image_model(image_model)
    device = next(model.parameters()).device
    crop = dict(model.cfg.test_dataloader.dataset.crop)
    if getattr(getattr(model, "encoder", None), "use_background", False):
        # The model in the package names none: its users bring pictures, not videos.
        crop["background"] = "median"
    loader = DataLoader(
        _CroppedFrames(index, frame_ids, crop), batch_size=_BATCH, collate_fn=collate
    )
    print_log(
        f"{index.root}: {type(model).__name__} reads {len(frame_ids)} frames for pseudo-labels, "
        f"on {device}; this happens at every start.",
        logger="current",
    )
    count = index.keypoints.shape[1]
    joints = np.full((len(index), count, 3), np.nan, dtype=np.float32)
    keypoints = np.full((len(index), count, 2), np.nan, dtype=np.float32)
    for batch, chosen in zip(
        loader, np.split(frame_ids, range(_BATCH, len(frame_ids), _BATCH)), strict=True
    ):
        with torch.autocast(device.type, torch.bfloat16):
            samples = model.test_step(batch)
        read = [sample.pred_instances for sample in samples]
        if "keypoints_2d" not in read[0]:
            raise ValueError(
                f"`image_model` must read 2D joints as well as 3D ones; {type(model).__name__} "
                "does not. Give a part_synth.PartSynth."
            )
        joints[chosen] = np.concatenate([np.asarray(r.keypoints) for r in read])
        keypoints[chosen] = np.concatenate([np.asarray(r.keypoints_2d) for r in read])
    print_log(f"{index.root}: {len(frame_ids)} frames were read.", logger="current")
    return joints - joints[:, :1], keypoints


def _image_model(source: str | Sequence[str | Path] | nn.Module) -> nn.Module:
    from part_synth.apis import init_model
    from part_synth.apis.zoo import LIFTER, SHIPPED, shipped_model

    if isinstance(source, nn.Module):
        return source
    names = [name for name in SHIPPED if name != LIFTER]
    if isinstance(source, str):
        if source not in names:
            raise ValueError(
                f"`image_model` is the name of a model in the package ({', '.join(names)}) or "
                f"(config, checkpoint), got {source!r}."
            )
        source = shipped_model(source)
    if not isinstance(source, tuple | list) or len(source) != 2:
        raise ValueError(
            f"`image_model` is one of {', '.join(names)} or (config, checkpoint), got {source!r}."
        )
    config, checkpoint = source
    model = init_model(
        config if isinstance(config, Config) else str(config),
        checkpoint,
        "cuda" if torch.cuda.is_available() else "cpu",
    )
    if model.cfg.get("test_dataloader", {}).get("dataset", {}).get("crop") is None:
        raise ValueError(
            f"{config} does not say how its model crops people; an image model has "
            "test_dataloader.dataset.crop=dict(size=..., padding=...)."
        )
    return model


def agree_over_views(
    index: FrameIndex,
    instants: FrameGroups,
    joints: np.ndarray,
    keypoints: np.ndarray,
    camera_scope: str = "person",
) -> tuple[np.ndarray, np.ndarray]:
    """Replace what single views read by what all views of an instant agree on.

    The pose is the mean of the views'; the orientations are those of cameras that stand still
    (:func:`~part_synth.models.metric.consensus_rotations`). In the image the agreed pose is laid
    where it fits the view's own joints best, size and place fitted as for a distant camera; joints
    that the view read more than a tenth of the person's extent from there move there, the others
    stay. No calibration is used. Instants whose views were not all read stay as they are.

    Args:
        index (FrameIndex): The frames.
        instants (FrameGroups): Which frames show one instant.
        joints (np.ndarray): (N, 17, 3) camera frame, root at the origin, metres.
        keypoints (np.ndarray): (N, 17, 2) in the image, px.
        camera_scope (str): Cameras keep their place for all clips of a 'person' or for one 'clip'.

    Returns:
        Joints and keypoints of the same shapes, new arrays.

    Raises:
        ValueError: The scope is another word.
    """
    from part_synth.models.metric import agreed_poses

    if camera_scope not in ("person", "clip"):
        raise ValueError(f"`camera_scope` is 'person' or 'clip', got {camera_scope!r}.")
    owner = ("subject", "camera") if camera_scope == "person" else ("subject", "clip", "camera")
    camera = index.group_by(*owner).group_of
    joints, keypoints = joints.copy(), keypoints.copy()
    for frames in _read_in_all_views(instants, joints):
        places = np.unique(camera[frames], return_inverse=True)[1].reshape(frames.shape)
        agreed = agreed_poses(torch.from_numpy(joints[frames]), torch.from_numpy(places)).numpy()
        joints[frames] = agreed
        keypoints[frames] = _corrected(keypoints[frames], agreed[..., :2])
    return joints, keypoints


def forget_disagreeing(instants: FrameGroups, joints: np.ndarray, share: float) -> np.ndarray:
    """Keep what was read of the instants whose views agree best, by what single views read.

    Args:
        instants (FrameGroups): Which frames show one instant.
        joints (np.ndarray): (N, 17, 3) camera frame, root at the origin, metres.
        share (float): In (0, 1], of the instants that several views were read of.

    Returns:
        np.ndarray: (N, 17, 3) joints, a new array, NaN for the other instants and for those that
        one view alone was read of.
    """
    from part_synth.models.metric import view_disagreement

    groups = list(_read_in_all_views(instants, joints))
    kept = np.full_like(joints, np.nan)
    if not groups:
        return kept
    off = [view_disagreement(torch.from_numpy(joints[frames])).numpy() for frames in groups]
    most = np.quantile(np.concatenate(off), share)
    for frames, disagreement in zip(groups, off, strict=True):
        chosen = frames[disagreement <= most]
        kept[chosen] = joints[chosen]
    return kept


def _read_in_all_views(instants: FrameGroups, joints: np.ndarray) -> Iterator[np.ndarray]:
    """Frames (I, V) of the instants all of whose views were read, by number V > 1 of views."""
    for views in np.unique(instants.sizes[instants.sizes > 1]):
        chosen = np.flatnonzero(instants.sizes == views)
        frames = instants.order[instants.offsets[chosen, None] + np.arange(views)]
        frames = frames[np.isfinite(joints[frames]).all((1, 2, 3))]
        if len(frames):
            yield frames


def _corrected(points: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """(*, K, 2) points, those far from where (*, K, 2) shapes have them moved there."""
    places = _fitted(shape, points)
    extent = np.ptp(places, axis=-2).max(-1)[..., None]
    far = np.linalg.norm(points - places, axis=-1) > _FAR * extent
    return np.where(far[..., None], places, points)


def _fitted(shape: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(*, K, 2) shapes, scaled and shifted to lie as near to (*, K, 2) points as they can."""
    middle = points.mean(-2, keepdims=True)
    centred = shape - shape.mean(-2, keepdims=True)
    # Joints that all lie in one place have no extent.
    extent = np.maximum((centred**2).sum((-2, -1), keepdims=True), 1e-12)
    size = (centred * (points - middle)).sum((-2, -1), keepdims=True) / extent
    return size * centred + middle
