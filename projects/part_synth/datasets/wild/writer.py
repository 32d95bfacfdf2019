"""Files of one video of the layout 'wild', written so that none is ever half there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np

from part_synth.datasets.wild.layout import image_file

_JPEG_QUALITY = 92


class VideoWriter:
    """Writes a video's images aside, and moves all of it into place at the end.

    The file in ``videos`` comes last: where it is, everything else is.

    Args:
        root: Folder of the data set.
        name: Name of the video in it.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        root.mkdir(parents=True, exist_ok=True)
        self._aside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
        (self._aside / "images").mkdir(mode=0o755)

    def image(self, image: np.ndarray, time_ms: int) -> None:
        """Keep a frame, (H, W, 3) uint8 BGR."""
        path = self._aside / "images" / image_file(self.name, time_ms)
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        self._encode(path, ".jpg", image, options)

    def background(self, image: np.ndarray) -> None:
        """Keep the empty scene, (H, W, 3) uint8 BGR."""
        self._encode(self._aside / "background.png", ".png", image, [])

    def finish(self, arrays: dict[str, np.ndarray], record: dict) -> None:
        """Move everything into place.

        Args:
            arrays: What ``annotations/NAME.npz`` holds.
            record: What ``videos/NAME.json`` holds.
        """
        remove_video(self.root, self.name)
        with (self._aside / "annotations.npz").open("wb") as file:
            np.savez_compressed(file, **arrays)
        (self._aside / "video.json").write_text(json.dumps(record, indent=1))
        moves = {
            "images": f"images/{self.name}",
            "background.png": f"backgrounds/{self.name}.png",
            "annotations.npz": f"annotations/{self.name}.npz",
            "video.json": f"videos/{self.name}.json",
        }
        if not record["clips"]:
            moves = {"video.json": moves["video.json"]}
        for source, target in moves.items():
            if (self._aside / source).exists():
                (self.root / target).parent.mkdir(parents=True, exist_ok=True)
                os.replace(self._aside / source, self.root / target)

    def close(self) -> None:
        """Remove what was not moved into place."""
        shutil.rmtree(self._aside, ignore_errors=True)

    def _encode(self, path: Path, ending: str, image: np.ndarray, options: list[int]) -> None:
        good, data = cv2.imencode(ending, image, options)
        if not good:
            raise OSError(f"OpenCV can't encode an image of shape {image.shape}.")
        path.write_bytes(data.tobytes())


def remove_video(root: Path, name: str) -> None:
    """Take a video out of a data set; its file in ``videos`` goes first."""
    (root / "videos" / f"{name}.json").unlink(missing_ok=True)
    (root / "annotations" / f"{name}.npz").unlink(missing_ok=True)
    (root / "backgrounds" / f"{name}.png").unlink(missing_ok=True)
    shutil.rmtree(root / "images" / name, ignore_errors=True)


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file, whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
