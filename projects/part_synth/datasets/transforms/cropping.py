"""Square crops of people.

Pixel convention of the whole package: the CENTRE of the first pixel of an image is (0, 0), as in
OpenCV and in mmpose's annotations. A box (x, y, side) covers [x - side/2, x + side/2], and the
pixel j of its crop of S pixels shows the place ``x - side/2 + (j + 1/2) side / S``. Normalised crop
coordinates run from -1 to 1 over the box, edge to edge, so the pixel j is at ``(2 j + 1) / S - 1``:
what ``torch.nn.functional.grid_sample`` calls ``align_corners=False``.
"""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from part_synth.registry import TRANSFORMS

# Bilinear sampling looks at 2 x 2 pixels, so shrinking further than this skips pixels and gives
# aliasing; such images are first averaged down by a whole number.
_MAX_BILINEAR_SHRINK = 2.0


def crop_square(
    image: np.ndarray,
    box: np.ndarray,
    size: int,
    flip: bool = False,
    labels: bool = False,
) -> np.ndarray:
    """Cut a square box out of an image and resize it, in one interpolation.

    Outside of the image its border is repeated (label images: background, 0), so that a frame and
    its background picture stay equal there.

    Args:
        image (np.ndarray): (H, W) or (H, W, 3) uint8.
        box (np.ndarray): (3,) centre x, centre y, side, px.
        size (int): Side of the crop, px.
        flip (bool): Mirror the crop left to right.
        labels (bool): Take the nearest pixel instead of mixing values.

    Returns:
        np.ndarray: (size, size) or (size, size, 3) uint8.
    """
    x, y, side = (float(value) for value in box)
    shrink = side / size
    if not labels and shrink > _MAX_BILINEAR_SHRINK:
        image, x, y, side = _average_down(image, x, y, side, int(shrink))
    step = side / size
    left, top = x - side / 2 + step / 2, y - side / 2 + step / 2
    if flip:
        matrix = np.array([[-step, 0.0, left + (size - 1) * step], [0.0, step, top]])
    else:
        matrix = np.array([[step, 0.0, left], [0.0, step, top]])
    return cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=(cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT if labels else cv2.BORDER_REPLICATE,
    )


def _average_down(
    image: np.ndarray, x: float, y: float, side: float, factor: int
) -> tuple[np.ndarray, float, float, float]:
    """Average ``factor`` x ``factor`` blocks of the part of an image that a box needs.

    Returns:
        tuple: The smaller image, and the box in its pixels.
    """
    height, width = image.shape[:2]
    # Three blocks of margin: two for the interpolation, one for the rounding to whole blocks.
    reach = side / 2 + 3 * factor
    left, right = _whole_blocks(x - reach, x + reach, width, factor)
    top, bottom = _whole_blocks(y - reach, y + reach, height, factor)
    part = image[top:bottom, left:right]
    rows, columns = max((bottom - top) // factor, 1), max((right - left) // factor, 1)
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    # Block i covers the pixels factor*i .. factor*i + factor-1, whose middle is its centre.
    offset = (factor - 1) / 2
    return small, (x - left - offset) / factor, (y - top - offset) / factor, side / factor


def _whole_blocks(low: float, high: float, size: int, factor: int) -> tuple[int, int]:
    """Clip an interval to an axis and round it to whole blocks, at least one."""
    start = int(np.clip(np.floor(low), 0, max(size - factor, 0)))
    stop = int(np.clip(np.ceil(high), start + 1, size))
    stop = start + max((stop - start) // factor * factor, factor)
    return start, min(stop, size)


def normalise_keypoints(keypoints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Image pixels to normalised crop coordinates.

    Args:
        keypoints (np.ndarray): (F, K, 2) px.
        boxes (np.ndarray): (F, 3) centre x, centre y, side, px.

    Returns:
        np.ndarray: (F, K, 2), -1 and 1 are the edges of the box.
    """
    return (keypoints - boxes[:, None, :2]) / (boxes[:, None, 2:] / 2)


@TRANSFORMS.register_module()
class CropPerson(BaseTransform):
    """Cut every frame, its background and its part labels to a square around the person.

    A flip mirrors the whole picture, and everything that is known about it in the same way:
    x of the camera frame, columns of pixels, the left and the right of joints and of part labels,
    and the world (whose x changes sign), so that the camera stays a proper rotation.

    Required keys: frames, box, keypoints, joints, rng; optional: backgrounds, part_images.
    Added keys: images, crop_box, crop_keypoints, flip; backgrounds and part_images are replaced.

    Args:
        size (int): Side of the crop, px.
        padding (float): Side of the box relative to the annotated one (which mmpose makes 1.2
            times as large as the extent of the joints).
        shift (float): Jitter of the centre, uniform in +- this part of the side, per frame.
        scale (float): Jitter of the side, uniform in 1 +- this, per frame.
        flip (float): Probability of mirroring; all frames of a sample together.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        size: int,
        padding: float = 1.0,
        shift: float = 0.0,
        scale: float = 0.0,
        flip: float = 0.0,
    ) -> None:
        if size < 1 or padding <= 0:
            raise ValueError(f"`size` and `padding` must be positive, got {size} and {padding}.")
        if not (0 <= shift < 1 and 0 <= scale < 1 and 0 <= flip <= 1):
            raise ValueError(
                "`shift` and `scale` must be in [0, 1) and `flip` in [0, 1], got "
                f"{shift}, {scale} and {flip}."
            )
        from part_synth.geometry import H36M17, PART_FLIP_INDICES

        self.size = size
        self.padding = padding
        self.shift = shift
        self.scale = scale
        self.flip = flip
        self._joint_flip = np.asarray(H36M17.flip_indices, dtype=np.int64)
        self._part_flip = np.arange(256, dtype=np.uint8)
        self._part_flip[: len(PART_FLIP_INDICES)] = np.asarray(PART_FLIP_INDICES)

    def transform(self, results: dict) -> dict:
        """Crop; see the class."""
        boxes, flip = self._draw(results)
        results["images"] = [
            crop_square(image, box, self.size, flip)
            for image, box in zip(results.pop("frames"), boxes, strict=True)
        ]
        if "backgrounds" in results:
            results["backgrounds"] = [
                crop_square(image, box, self.size, flip)
                for image, box in zip(results["backgrounds"], boxes, strict=True)
            ]
        if "part_images" in results:
            labels = [
                crop_square(image, box, self.size, flip, labels=True)
                for image, box in zip(results["part_images"], boxes, strict=True)
            ]
            results["part_images"] = [self._part_flip[part] for part in labels] if flip else labels
        if flip:
            boxes = self._mirror(results, boxes)
        results["flip"] = flip
        results["crop_box"] = boxes
        results["crop_keypoints"] = normalise_keypoints(results["keypoints"], boxes)
        return results

    def _draw(self, results: dict) -> tuple[np.ndarray, bool]:
        """Boxes (F, 3) float32 and whether to flip. Draws the same amount whatever comes out."""
        boxes = results["box"] * np.array([1.0, 1.0, self.padding], dtype=np.float32)
        if not (self.shift or self.scale or self.flip):
            return boxes, False
        noise = results["rng"].uniform(-1.0, 1.0, (len(boxes), 3)).astype(np.float32)
        flip = bool(results["rng"].random() < self.flip)
        boxes[:, :2] += self.shift * noise[:, :2] * boxes[:, 2:]
        boxes[:, 2] *= 1.0 + self.scale * noise[:, 2]
        return boxes, flip

    def _mirror(self, results: dict, boxes: np.ndarray) -> np.ndarray:
        """Mirror the annotations as if the original picture had been mirrored."""
        last = np.array([shape[1] - 1.0 for shape in results["image_shape"]], dtype=np.float32)
        for name in ("keypoints", "keypoints_visible", "joints", "joints_visible"):
            results[name] = results[name][:, self._joint_flip]
        results["joints"][..., 0] *= -1
        results["keypoints"][..., 0] = last[:, None] - results["keypoints"][..., 0]
        boxes[:, 0] = last - boxes[:, 0]
        camera = results["camera"]
        camera["centre"][:, 0] = last - camera["centre"][:, 0]
        sign = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
        camera["rotation"] = camera["rotation"] * sign[:, None] * sign
        camera["position"] = camera["position"] * sign
        return boxes
