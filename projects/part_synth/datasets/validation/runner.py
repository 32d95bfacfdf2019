"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from part_synth.datasets.frame_index import LAYOUTS, FrameIndex
from part_synth.datasets.validation.cameras import check_cameras, check_reprojection
from part_synth.datasets.validation.images import check_boxes, check_image_files
from part_synth.datasets.validation.poses import (
    check_left_right,
    check_units,
    check_unpaired_poses,
    check_values,
)
from part_synth.datasets.validation.report import Finding

# The checks of annotations, in the order of their report.
ANNOTATION_CHECKS: tuple[Callable[[FrameIndex], list[Finding]], ...] = (
    check_values,
    check_units,
    check_left_right,
    check_reprojection,
    check_cameras,
    check_boxes,
)


def validate_index(index: FrameIndex, max_decoded: int | None = 2000) -> list[Finding]:
    """Run all checks.

    Args:
        index (FrameIndex): Frames to look at.
        max_decoded (int | None): How many images to decode; None = all.

    Returns:
        list[Finding]: What is wrong, empty if nothing.
    """
    findings = [finding for check in ANNOTATION_CHECKS for finding in check(index)]
    return findings + check_image_files(index, max_decoded)


def validate_data_set(
    root: str | Path,
    layout: str | None = None,
    ann_file: str | None = None,
    max_decoded: int | None = 2000,
    **options,
) -> tuple[list[Finding], int]:
    """Run all checks on all annotation files of a data set.

    Args:
        root (str | Path): Folder of the data set.
        layout (str | None): Name of a layout; None = the first one that finds its files there.
        ann_file (str | None): One annotation file relative to the root; None = all of the layout.
        max_decoded (int | None): How many images to decode per annotation file; None = all.
        **options: Further arguments of the layout's ``from_disk``.

    Returns:
        tuple[list[Finding], int]: What is wrong, and the number of frames looked at.
    """
    root = Path(root)
    if not root.is_dir():
        return [Finding("files", f"There is no folder {root}.")], 0
    known = LAYOUTS.module_dict
    if layout is not None and layout not in known:
        return [Finding("files", f"There is no layout '{layout}', but {', '.join(known)}.")], 0
    candidates = list(known) if layout is None else [layout]
    files = {name: known[name].annotation_files(root) for name in candidates}
    name = next((name for name in candidates if files[name]), candidates[0])
    if ann_file is not None:
        files[name] = [ann_file]
    if not files[name]:
        patterns = [pattern for name in candidates for pattern in known[name].annotation_patterns]
        text = f"{root} has no annotation file: looked for {', '.join(patterns)}."
        return [Finding("files", text)], 0
    findings, frames = [], 0
    for file in files[name]:
        try:
            index = known[name].from_disk(root, ann_file=file, check_images=False, **options)
        except (FileNotFoundError, ValueError) as error:
            findings.append(Finding("files", str(error)))
            continue
        frames += len(index)
        found = validate_index(index, max_decoded)
        findings += [Finding(f"{file}: {one.check}", one.message) for one in found]
    if (root / "unpaired_poses.npz").is_file():
        findings += check_unpaired_poses(root / "unpaired_poses.npz")
    return findings, frames
