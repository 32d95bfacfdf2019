"""Checks of the files and of the people's boxes in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from part_synth.datasets.frame_index import FrameIndex
from part_synth.datasets.image_reader import ImageReader
from part_synth.datasets.validation.report import Finding, examples
from part_synth.geometry import PART_NAMES

# Difference between the size of an image and what the camera file says, part of the size.
_SIZE_LIMIT = 0.01
# Side of a box over the extent of the joints in it: 1.25 is usual, and clothes, hands and feet add.
_LARGEST_BOX = 4.0
_ENOUGH_JOINTS = 12


def check_boxes(index: FrameIndex) -> list[Finding]:
    """Is the person's box in the image, are the joints in the box, and is it not far too large?

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    findings = []
    size = index.cameras.size[index.camera_id]
    with np.errstate(invalid="ignore"):
        outside = ((index.center < 0) | (index.center > size - 1)).any(axis=1)
    outside = np.flatnonzero(outside)
    if len(outside):
        text = "The centre of the person's box is outside of the image in "
        findings.append(Finding("boxes", text + examples(index, outside) + "."))
    half = 100 * index.scale[:, None, None]
    near = (np.abs(index.keypoints - index.center[:, None]) <= half).all(axis=-1)
    visible = index.keypoints_visible > 0
    missed = (~near & visible).sum(1) > 0.5 * np.maximum(visible.sum(1), 1)
    missed = np.flatnonzero(missed)
    if len(missed):
        text = (
            "Most joints are outside of the person's box in "
            f"{examples(index, missed)}. `scale` is the side of the box divided by 200 px, "
            "`center` its centre in px."
        )
        findings.append(Finding("boxes", text))
    known = visible & np.isfinite(index.keypoints).all(axis=-1)
    high = np.where(known[..., None], index.keypoints, -np.inf).max(axis=1)
    low = np.where(known[..., None], index.keypoints, np.inf).min(axis=1)
    # Of a person cut off by the image's edge, fewer joints are visible than the box is made of.
    enough = known.sum(1) >= _ENOUGH_JOINTS
    extent = np.where(enough[:, None], high - low, np.inf).max(axis=1)
    large = np.flatnonzero(200 * index.scale > _LARGEST_BOX * extent)
    if len(large):
        ratio = np.median(200 * index.scale[large] / np.maximum(extent[large], 1e-6))
        text = (
            f"The person's box is {ratio:.3g} times as large as the joints (median) in "
            f"{examples(index, large)}. `scale` is the side of the box divided by 200 px; about "
            "1.25 times the person is usual."
        )
        findings.append(Finding("boxes", text))
    return findings


def check_image_files(index: FrameIndex, max_decoded: int | None = 2000) -> list[Finding]:
    """Are the images and the part labels there, whole and of the right size?

    All files are looked for; some are decoded.

    Args:
        index (FrameIndex): Frames to look at.
        max_decoded (int | None): How many to decode, spread evenly; None = all.

    Returns:
        list[Finding]: What is wrong.
    """
    missing = np.flatnonzero([not index.image_path(i).is_file() for i in range(len(index))])
    findings = []
    if len(missing):
        text = f"There is no image for {examples(index, missing)} in {index.image_dir}."
        findings.append(Finding("images", text))
    there = np.setdiff1d(np.arange(len(index)), missing)
    if max_decoded is not None and len(there) > max_decoded:
        there = there[np.linspace(0, len(there) - 1, max_decoded).astype(int)]
    read, read_labels = ImageReader(), ImageReader(grayscale=True)
    problems: dict[str, list[int]] = {}
    for i in there.tolist():
        try:
            image = read(index.image_path(i))
        except OSError:
            problems.setdefault("The image can't be decoded (corrupt) of", []).append(i)
            continue
        size = index.cameras.size[index.camera_id[i]]
        # Human3.6M's own cameras say 1002 rows of some videos that have 1000: no harm.
        if np.abs(size[::-1] - image.shape[:2]).max() > _SIZE_LIMIT * max(image.shape[:2]):
            text = "The image is not as large as the camera file says (`w`, `h`) of"
            problems.setdefault(text, []).append(i)
        path = index.part_path(i)
        if path is not None:
            problem = _label_problem(path, image.shape[:2], read_labels)
            if problem:
                problems.setdefault(problem, []).append(i)
    for text, frames in problems.items():
        findings.append(Finding("images", f"{text} {examples(index, np.array(frames))}."))
    return findings


def _label_problem(path: Path, shape: tuple[int, int], read: ImageReader) -> str | None:
    """What is wrong with one part label image."""
    if not path.is_file():
        return "There is no part label PNG of"
    try:
        labels = read(path)
    except OSError:
        return "The part label PNG can't be decoded (corrupt, or not 8-bit) of"
    if labels.shape != shape:
        return "The part label PNG has another size than the frame, or several channels, of"
    if labels.max() >= len(PART_NAMES):
        return f"The part label PNG has values above {len(PART_NAMES) - 1} of"
    if not labels.any():
        return "The part label PNG shows no person at all of"
    return None
