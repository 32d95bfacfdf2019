"""Names of the files that are written, and what must not be lost to them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from part_synth.outputs import read_source

from .sources import PictureSource, Source

# What tells in its header what it holds the poses of.
_WITH_HEADER = (".json", ".npz")


def json_files(folder: Path, source: Source) -> list[tuple[Path, str]]:
    """JSON files of poses: one of a video, one of each picture.

    Args:
        folder: Where to.
        source: Where frames come from.

    Returns:
        list[tuple[Path, str]]: File, and what it holds the poses of, see ``source.origin``.
    """
    if not isinstance(source, PictureSource):
        return [(folder / f"{source.name}.json", source.origin)]
    stems = [Path(name).stem for name in source.names]
    counts = Counter(stems)
    # Pictures of one name and several endings keep the ending.
    labels = [
        stem if counts[stem] == 1 else name for stem, name in zip(stems, source.names, strict=True)
    ]
    return [
        (folder / f"{label}.json", origin)
        for label, origin in zip(labels, source.origins, strict=True)
    ]


def drawing_files(folder: Path, source: PictureSource) -> list[Path]:
    """Drawings of pictures have the picture's own name; PNG for what OpenCV may not write."""
    known = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
    names = [Path(name) for name in source.names]
    return [
        folder / (name.name if name.suffix.lower() in known else f"{name.name}.png")
        for name in names
    ]


def check_drawings(source: Source, folder: Path) -> None:
    """Refuse to draw over the input, or two pictures into one file.

    Args:
        source: Where frames come from.
        folder: Of the drawings.

    Raises:
        ValueError: They would.
    """
    if isinstance(source, PictureSource):
        inputs = [p for p in source.pictures if not isinstance(p, np.ndarray)]
        clash = folder.resolve() in {Path(p).resolve().parent for p in inputs}
        _check_different(drawing_files(folder, source), source)
    else:
        path = getattr(source, "path", None)
        clash = path is not None and (folder / f"{source.name}.mp4").resolve() == path.resolve()
    if clash:
        raise ValueError(
            f"The drawings would overwrite the input in {folder}; name another vis_out_dir."
        )


def check_predictions(
    source: Source, folder: Path, formats: Sequence[str], given: Sequence[object]
) -> None:
    """Refuse to write poses over a file that is read; say where another input's are overwritten.

    Args:
        source: Where frames come from.
        folder: Of the poses.
        formats: Some of :data:`~part_synth.inferencer.OUT_FORMATS`.
        given: 2D joints and boxes of the call; those that are no files are not looked at.

    Raises:
        ValueError: Poses would be written over a given file, among the files of a given folder, or
            two pictures' into one file.
    """
    files = json_files(folder, source) if "json" in formats else []
    _check_different([file for file, _ in files], source)
    files += [
        (folder / f"{source.name}.{ending}", source.origin)
        for ending in ("csv", "npz")
        if ending in formats
    ]
    written = {file.resolve() for file, _ in files}
    for path in (Path(one).expanduser() for one in given if isinstance(one, str | Path)):
        # All JSON files of a folder are read as 2D joints.
        mixed = path.is_dir() and "json" in formats and folder.resolve() == path.resolve()
        if mixed or path.resolve() in written:
            raise ValueError(
                f"The poses would be written over the input {path}, which holds 2D joints or boxes;"
                " name another pred_out_dir (--pred-out-dir, or --out-dir)."
            )
    _warn_of_others(files)


def _check_different(files: Sequence[Path], source: Source) -> None:
    """Raise if two pictures go to one file."""
    owners: dict[Path, int] = {}
    for number, file in enumerate(files):
        first = owners.setdefault(file, number)
        if first != number:
            raise ValueError(
                f"The results of {source.origins[first]} and {source.origins[number]} would both "
                f"be written to {file}; rename one picture, or use one call and folder for each."
            )


def _warn_of_others(files: Sequence[tuple[Path, str]]) -> None:
    """Say which files hold poses of another input, or something else."""
    found = [
        (file, read_source(file), origin)
        for file, origin in files
        if file.suffix in _WITH_HEADER and file.is_file()
    ]
    others = [(file, held) for file, held, origin in found if held != origin]
    if not others:
        return
    file, held = others[0]
    what = "what is no result of this tool" if held is None else f"the result of {held}"
    more = f", and {len(others) - 1} more files of others" if len(others) > 1 else ""
    print_log(
        f"{file} holds {what}{more}; it is overwritten when the poses are there. For several "
        "inputs of one name take a folder for each.",
        "current",
        logging.WARNING,
    )
