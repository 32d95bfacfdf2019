"""Search of poses by picture: the frames of a gallery that are nearest to a query."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from part_synth.apis.gallery import embed_batch, load_embedder
from part_synth.datasets.image_reader import ImageReader
from part_synth.datasets.transforms import crop_square
from part_synth.retrieval import PoseGallery, model_fingerprint
from part_synth.visualization.retrieval_sheet import retrieval_sheet

# Neighbours on a sheet: eleven lines of cells, below 5 MB at the default size.
MAX_DRAWN = 60


@dataclass
class RetrievedPoses:
    """The K frames of a gallery that are nearest to one picture, nearest first.

    Attributes:
        indices: (K,) rows of the gallery.
        distances: (K,) distances of the embeddings.
        crop: (S, S, 3) RGB, what the model saw of the query.
        crop_box: (3,) centre x, centre y and side of it, px of the picture.
        gallery: Where the frames are.
    """

    indices: np.ndarray
    distances: np.ndarray
    crop: np.ndarray
    crop_box: np.ndarray
    gallery: PoseGallery

    def draw(self, cell: int = 160) -> np.ndarray:
        """A contact sheet of the nearest ``MAX_DRAWN`` frames.

        A picture that is no longer on the disk leaves its cell empty, above its pose; the log says
        how many.

        Args:
            cell: Side of a picture on the sheet, px.

        Returns:
            RGB (H, W, 3) uint8.
        """
        crops: list[np.ndarray | None] = []
        rows = self.indices[:MAX_DRAWN]
        for row in rows:
            try:
                image = read_picture(self.gallery.img_path[row])
            except OSError:
                crops.append(None)
                continue
            crops.append(crop_square(image, self.gallery.crop_box[row], len(self.crop)))
        missing = [row for row, crop in zip(rows, crops, strict=True) if crop is None]
        poses = self.gallery.poses
        if missing:
            shown = "nothing is drawn for them" if poses is None else "their poses alone are drawn"
            print_log(
                f"{len(missing)} of {len(rows)} pictures can't be read (first: "
                f"{self.gallery.img_path[missing[0]]}); {shown}. Put them back, or build the "
                "gallery again with tools/build_gallery.py.",
                logger="current",
                level=logging.WARNING,
            )
        if len(rows) < len(self.indices):
            print_log(
                f"The sheet shows the {len(rows)} nearest of {len(self.indices)} frames; "
                f"{len(self.indices) - len(rows)} are left out of it.",
                logger="current",
                level=logging.WARNING,
            )
        poses = None if poses is None else poses[rows]
        return retrieval_sheet(self.crop, crops, self.distances[:MAX_DRAWN], poses, cell)


def gallery_model(
    gallery: PoseGallery,
    config: str | Path | None = None,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
) -> nn.Module:
    """The model that embedded a gallery, checked to be the same.

    Args:
        gallery: The gallery.
        config: Config of the model; None takes the one that the gallery names.
        checkpoint: Checkpoint of the model; None takes the one that the gallery names.
        device: Where to run.

    Returns:
        The model in evaluation mode.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model is another one.
    """
    known = gallery.embedder
    options = known.cfg_options if config is None else None
    for flag, given, recorded in (
        ("--config", config, known.config),
        ("--checkpoint", checkpoint, known.checkpoint),
    ):
        # A gallery from elsewhere may name anything, an address too: only files are opened.
        if given is None and not Path(recorded or "?").is_file():
            raise FileNotFoundError(
                f"The gallery was embedded with {recorded or 'an unknown file'}, which is not "
                f"there. Say where it is now with {flag}."
            )
    model = load_embedder(config or known.config, checkpoint or known.checkpoint, device, options)
    known.check_same(model_fingerprint(model), f"The model of {checkpoint or known.checkpoint}")
    return model


@torch.inference_mode()
def retrieve(
    image: np.ndarray,
    gallery: PoseGallery,
    topk: int = 5,
    model: nn.Module | None = None,
    box: Sequence[float] | None = None,
    background: np.ndarray | None = None,
) -> RetrievedPoses:
    """The frames of a gallery whose poses look most like the one in a picture.

    Args:
        image: (H, W, 3) uint8, RGB.
        gallery: Where to search.
        topk: K, from 1 to the size of the gallery.
        model: From :func:`gallery_model`; None loads the one that the gallery names.
        box: (3,) centre x, centre y and side, px, of the square that is looked at, as ``crop_box``
            of the gallery; None takes the whole picture.
        background: (H, W, 3) uint8, RGB: the empty scene, for models that read it.

    Returns:
        RetrievedPoses: K frames.

    Raises:
        FileNotFoundError: The gallery's model is no longer there.
        ValueError: The picture, the box or K does not fit, or the model is another one.
    """
    check_topk(topk, gallery)
    box = _crop_box(image, box)
    model = gallery_model(gallery) if model is None else model
    size = gallery.embedder.crop_size
    crop = crop_square(image, box, size)
    inputs = {"image": _batch(crop)}
    if background is not None:
        if background.shape != image.shape:
            raise ValueError(
                f"The background must have the picture's shape {image.shape}, got "
                f"{background.shape}."
            )
        inputs["background"] = _batch(crop_square(background, box, size))
    inputs = model.data_preprocessor({"inputs": inputs, "data_samples": None})["inputs"]
    found = gallery.search(embed_batch(model, inputs), topk, model_fingerprint(model))
    return RetrievedPoses(found.indices[0], found.distances[0], crop, box, gallery)


def check_topk(topk: int, gallery: PoseGallery) -> None:
    """Raise unless a gallery holds K frames; cheap, to be called before a model is loaded.

    Args:
        topk: K.
        gallery: The gallery.

    Raises:
        ValueError: K is not in 1 ... N.
    """
    if not 1 <= topk <= len(gallery):
        raise ValueError(
            f"topk={topk} neighbours are asked for, but the gallery holds {len(gallery)} frames. "
            f"Ask for 1 to {len(gallery)}, or build a larger gallery."
        )


def read_picture(path: str | Path) -> np.ndarray:
    """Read an image.

    Args:
        path: File.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It is no image.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no image {path}.")
    try:
        return cv2.cvtColor(ImageReader()(path), cv2.COLOR_BGR2RGB)
    except OSError as error:
        raise OSError(f"{path} can't be read as an image; give a .jpg or .png file.") from error


def _crop_box(image: np.ndarray, box: Sequence[float] | None) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}.")
    height, width = image.shape[:2]
    if box is None:
        return np.array([(width - 1) / 2, (height - 1) / 2, max(height, width)], dtype=np.float32)
    box = np.asarray(box, dtype=np.float32)
    if box.shape != (3,) or not np.isfinite(box).all() or box[2] < 1:
        raise ValueError(
            "box must be the centre x, the centre y and the side (at least 1) of a square, px, got "
            f"{box.tolist()}."
        )
    if (
        np.abs(box[:2] - (np.array([width, height]) - 1) / 2) > (box[2] + [width, height]) / 2
    ).any():
        raise ValueError(
            f"The box {box.tolist()} (centre x, centre y, side) lies outside of the picture of "
            f"{width} x {height} pixels."
        )
    return box


def _batch(crop: np.ndarray) -> Tensor:
    return torch.from_numpy(crop).permute(2, 0, 1)[None, None]
