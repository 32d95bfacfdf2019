"""Checks of the calibration."""

from __future__ import annotations

import numpy as np

from part_synth.datasets.frame_index import FrameIndex
from part_synth.datasets.validation.report import Finding, has_joints

# Real annotations reproject to about a pixel; synthetic ones exactly.
_REPROJECTION_LIMIT = 0.02
# Two calibrated cameras must put a joint at one place, metres.
_VIEW_LIMIT = 0.05


def check_reprojection(index: FrameIndex) -> list[Finding]:
    """Do the 3D joints, seen by the camera (lens distortion included), fall on the 2D joints?

    Per camera: the median distance must be below 2 % of the side of the person's box.

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    findings = []
    known = np.isfinite(index.cameras.focal).all(axis=1)[index.camera_id]
    usable = known & has_joints(index) & (index.keypoints_visible.sum(1) > 0)
    usable &= index.joints[:, :, 2].min(axis=1) > 0
    cameras = np.char.add(np.char.add(index.column("subject"), " "), index.column("camera"))
    if not index.cameras.focal.shape[0] or not usable.any():
        return findings
    rows = index.camera_id[usable]
    projected = project_distorted(
        index.joints[usable].astype(np.float64),
        index.cameras.focal[rows],
        index.cameras.centre[rows],
        index.cameras.distortion[rows],
    )
    distance = np.linalg.norm(projected - index.keypoints[usable], axis=-1)
    distance[index.keypoints_visible[usable] <= 0] = np.nan
    distance = np.nanmedian(distance, axis=1)
    relative = distance / np.maximum(200 * index.scale[usable], 1e-6)
    names = cameras[usable]
    for name in np.unique(names):
        of_camera = names == name
        if np.median(relative[of_camera]) > _REPROJECTION_LIMIT:
            text = (
                f"Camera {name} doesn't reproject: the 3D joints fall "
                f"{np.median(distance[of_camera]):.1f} px (median) from the 2D joints, "
                f"{np.median(relative[of_camera]):.0%} of the person's box. Its focal length or "
                "centre, or the order of one of the two sets of joints, is wrong."
            )
            findings.append(Finding("reprojection", text))
    return findings


def project_distorted(
    points: np.ndarray, focal: np.ndarray, centre: np.ndarray, distortion: np.ndarray
) -> np.ndarray:
    """Pinhole projection with the Brown-Conrady lens distortion, as OpenCV writes it.

    Args:
        points (np.ndarray): (M, K, 3) camera frame, metres.
        focal (np.ndarray): (M, 2) px.
        centre (np.ndarray): (M, 2) px.
        distortion (np.ndarray): (M, 5) k1, k2, p1, p2, k3.

    Returns:
        np.ndarray: (M, K, 2) px.
    """
    x, y = np.moveaxis(points[..., :2] / points[..., 2:], -1, 0)
    k1, k2, p1, p2, k3 = (column[:, None] for column in distortion.T)
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    bent = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    return bent * focal[:, None] + centre[:, None]


def check_cameras(index: FrameIndex) -> list[Finding]:
    """Are rotations rotations, and do several cameras see the same person at the same place?

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    findings = []
    rotation = index.cameras.rotation
    known = np.isfinite(rotation).all(axis=(1, 2)) & np.isfinite(index.cameras.position).all(axis=1)
    off = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        wrong = known & ((off > 1e-3) | (np.linalg.det(rotation) < 0))
    if wrong.any():
        text = f"`R` of {wrong.sum()} of {len(wrong)} cameras is no rotation (or mirrors)."
        return [Finding("cameras", text)]
    usable = np.flatnonzero(known[index.camera_id] & has_joints(index))
    if len(usable) == 0:
        return findings
    seen = index.select(usable)
    world = np.einsum("nji,nkj->nki", rotation[seen.camera_id], seen.joints.astype(np.float64))
    world += index.cameras.position[seen.camera_id][:, None]
    groups = seen.group_by("subject", "clip", "frame")
    owner = groups.group_of
    mean = np.zeros((len(groups), *world.shape[1:]))
    np.add.at(mean, owner, world)
    mean /= groups.sizes[:, None, None]
    several = groups.sizes[owner] > 1
    apart = np.linalg.norm(world - mean[owner], axis=-1).max(axis=1)
    bad = several & (apart > _VIEW_LIMIT)
    for person in np.unique(seen.column("subject")[bad]):
        mine = bad & (seen.column("subject") == person)
        cameras = ", ".join(np.unique(seen.column("camera")[mine]))
        text = (
            f"The cameras of person {person} don't agree: the same instant is seen up to "
            f"{apart[mine].max():.2g} m apart in the world ({cameras}). `R` and `T` of some of "
            "them are wrong, or in the other direction (camera to world), or the clips are not "
            "synchronous."
        )
        findings.append(Finding("cameras", text))
    return findings
