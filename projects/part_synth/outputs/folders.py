"""Folders for results, checked before the work."""

from __future__ import annotations

import tempfile
from pathlib import Path


def check_out_dir(path: str | Path) -> Path:
    """Make a folder and see that files can be written to it.

    Args:
        path: The folder.

    Returns:
        Path: The folder.

    Raises:
        ValueError: It can't be made or written to; the message says why.
    """
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"Results can't be written to {folder}: {error.strerror or error}. Name a folder that "
            "you may write to."
        ) from error
    return folder
