"""Loading frames, their part labels and their backgrounds."""

from __future__ import annotations

from pathlib import Path

from mmcv.transforms import BaseTransform

from part_synth.datasets.backgrounds import MedianBackgrounds
from part_synth.datasets.image_reader import ImageReader
from part_synth.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadFrames(BaseTransform):
    """Read the images of a sample.

    Required keys: img_path. Added keys: frames (list of (H, W, 3) uint8, BGR), image_shape.

    Args:
        cache (str | None): See :class:`~part_synth.datasets.image_reader.ImageReader`.
        cache_mib (float): Limit of the cache in MiB per process.
    """

    def __init__(self, cache: str | None = None, cache_mib: float = 1024.0) -> None:
        self.read = ImageReader(cache, cache_mib)

    def transform(self, results: dict) -> dict:
        """Read; a broken image is an error, never another sample."""
        results["frames"] = [self.read(path) for path in results["img_path"]]
        results["image_shape"] = [frame.shape[:2] for frame in results["frames"]]
        return results


@TRANSFORMS.register_module()
class LoadPartLabels(BaseTransform):
    """Read the part label images of a sample, where the data set has any.

    Required keys: part_path (None without labels), image_shape. Added keys: part_images (list of
    (H, W) uint8).

    Args:
        cache (str | None): See :class:`~part_synth.datasets.image_reader.ImageReader`.
        cache_mib (float): Limit of the cache in MiB per process.
    """

    def __init__(self, cache: str | None = None, cache_mib: float = 1024.0) -> None:
        self.read = ImageReader(cache, cache_mib, grayscale=True)

    def transform(self, results: dict) -> dict:
        """Read and compare sizes."""
        if results["part_path"] is None:
            return results
        labels = [self.read(path) for path in results["part_path"]]
        for path, label, shape in zip(
            results["part_path"], labels, results["image_shape"], strict=True
        ):
            if label.shape != shape:
                raise ValueError(
                    f"The part labels {path} have shape {label.shape}, but their frame has "
                    f"{shape}. Make them again: one 8-bit channel, as large as the frame."
                )
        results["part_images"] = labels
        return results


@TRANSFORMS.register_module()
class LoadBackground(BaseTransform):
    """Add the temporal-median background of each frame's camera.

    Required keys: frame_index, frame_ids, image_shape. Added keys: backgrounds (list of (H, W, 3)
    uint8, BGR).

    Args:
        max_frames (int): Frames that the median is taken of.
        directory (str | None): Where backgrounds are kept; default: ``backgrounds`` in the folder
            of the data set.
    """

    def __init__(self, max_frames: int = 61, directory: str | Path | None = None) -> None:
        self.max_frames = max_frames
        self.directory = directory
        self._backgrounds: MedianBackgrounds | None = None

    def transform(self, results: dict) -> dict:
        """Look up, on first use compute, the backgrounds."""
        index = results["frame_index"]
        if self._backgrounds is None or self._backgrounds.index is not index:
            self._backgrounds = MedianBackgrounds(index, self.max_frames, self.directory)
        names = index.sequences.background[index.sequence_id[results["frame_ids"]]]
        results["backgrounds"] = [self._backgrounds[name] for name in names.tolist()]
        for background, shape, path in zip(
            results["backgrounds"], results["image_shape"], results["img_path"], strict=True
        ):
            if background.shape[:2] != shape:
                raise ValueError(
                    f"{path} has shape {shape}, but other frames of its camera have "
                    f"{background.shape[:2]}. One camera's frames must be equally large."
                )
        return results
