"""A picture of a data set: for some people, one instant in all cameras, with joints and parts."""

from pathlib import Path

import cv2
import numpy as np

from part_synth.visualization import colour_parts, draw_skeleton_2d

_PEOPLE_PER_SPLIT = 3
_ENLARGE = 2
_CAMERAS = 4


def write_contact_sheet(root: str | Path, path: str | Path) -> None:
    """Write a PNG: one row per person, per camera the frame, its skeleton and its part labels.

    Args:
        root: folder in the layout of :func:`make_synthetic_mocap`.
        path: the PNG to write.

    Raises:
        FileNotFoundError: if ``root`` has no annotation file.
    """
    root = Path(root)
    rows = []
    for split in ("train", "val", "test"):
        file = root / "annotation_body3d" / f"{split}.npz"
        if file.is_file():
            with np.load(file) as data:
                rows.extend(_rows_of_split(root, data["imgname"], data["part"]))
    if not rows:
        raise FileNotFoundError(f"{root} has no annotation_body3d/*.npz to draw")
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    if not cv2.imwrite(str(path), np.concatenate(padded)[..., ::-1]):
        raise OSError(f"could not write {path}; is the disk full?")


def _rows_of_split(root: Path, names: np.ndarray, joints: np.ndarray) -> list[np.ndarray]:
    """RGB rows of a few people, each at another instant."""
    index_of = {str(name): index for index, name in enumerate(names)}
    people = list(dict.fromkeys(str(name).split("/")[0] for name in names))
    picked = people[:: max(1, len(people) // _PEOPLE_PER_SPLIT)][:_PEOPLE_PER_SPLIT]
    rows = []
    for number, person in enumerate(picked):
        first_camera = [n for n in index_of if n.startswith(f"{person}/") and ".cam0/" in n]
        instant = first_camera[(2 * number + 1) * len(first_camera) // (2 * len(picked))]
        same = [instant.replace(".cam0", f".cam{c}") for c in range(_CAMERAS)]
        tiles = [_tile(root, name, joints[index_of[name]]) for name in same if name in index_of]
        rows.append(np.concatenate(tiles, axis=1))
    return rows


def _tile(root: Path, name: str, joints: np.ndarray) -> np.ndarray:
    """Frame, frame with skeleton, and part labels side by side, RGB."""
    image = cv2.imread(str(root / "images" / name))[..., ::-1]
    labels = cv2.imread(str((root / "parts" / name).with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
    k = _ENLARGE
    image = cv2.resize(image, None, fx=k, fy=k, interpolation=cv2.INTER_LINEAR)
    labels = cv2.resize(labels, None, fx=k, fy=k, interpolation=cv2.INTER_NEAREST)
    skeleton = draw_skeleton_2d(image, (joints[:, :2] + 0.5) * k - 0.5)
    return np.concatenate([image, skeleton, colour_parts(labels)], axis=1)
