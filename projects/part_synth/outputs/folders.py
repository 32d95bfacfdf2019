"""Folders for results, checked before the work."""

from __future__ import annotations

import tempfile
from pathlib import Path


def check_out_dir(path: str | Path, make: bool = True) -> Path:
    """Make a folder and see that files can be written to it.

    Args:
        path: The folder.
        make: Make it. Otherwise it is only seen that it could be made, so that a call that is
            refused later leaves no empty folder.

    Returns:
        Path: The folder.

    Raises:
        ValueError: It can't be made or written to; the message says why.
    """
    folder = Path(path).expanduser()
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        there = next(place for place in (folder, *folder.parents) if place.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(
            f"Results can't be written to {folder}: {error.strerror or error}. Name a folder that "
            "you may write to."
        ) from error
    return folder
