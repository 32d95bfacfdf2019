"""3D joints and body parts straight from pictures, by an image model of this project.

Images are (H, W, 3) uint8 BGR; boxes left, top, right, bottom in px.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from part_synth.apis import init_model, predict_people
from part_synth.people import FramePeople
from part_synth.visualization import blend_parts


class ImageModel:
    """3D joints straight from pictures, by an image model of this project.

    Args:
        config: Config of the model.
        weights: Its checkpoint.
        device: Where it runs.
    """

    layout = "h36m"
    needs_boxes = True

    def __init__(self, config, weights, device: str = "cpu") -> None:
        self.model = init_model(config, weights, device)

    def find(self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[FramePeople]:
        """3D joints of the people in images, see :meth:`~part_synth.people.pose2d.Pose2D.find`."""
        found = []
        for image, of_image in zip(images, boxes, strict=True):
            if len(of_image) == 0:
                found.append(FramePeople(joints=np.zeros((0, 17, 3), np.float32)))
                continue
            rgb = np.ascontiguousarray(image[..., ::-1])
            people = predict_people(self.model, rgb, of_image[:, :4])
            found.append(
                FramePeople(
                    of_image[:, :4],
                    of_image[:, 4],
                    np.stack([one.keypoints for one in people]).astype(np.float32),
                    np.ones((len(people), 17), np.float32),
                    np.stack([one.joints for one in people]).astype(np.float32),
                )
            )
        return found

    def paint_parts(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Lay the body parts of people over an image.

        Args:
            image: (H, W, 3) uint8 BGR.
            boxes: (P, 4) px.

        Returns:
            (H, W, 3) uint8 BGR; where people overlap the later one lies on top.
        """
        rgb = np.ascontiguousarray(image[..., ::-1])
        labels = np.zeros(image.shape[:2], np.uint8)
        for person in predict_people(self.model, rgb, boxes):
            side = max(1, round(float(person.crop_box[2])))
            left, top = (round(float(v) - side / 2) for v in person.crop_box[:2])
            patch = cv2.resize(
                person.part_labels.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST
            )
            place = labels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
            patch = patch[max(-top, 0) :, max(-left, 0) :][: place.shape[0], : place.shape[1]]
            np.copyto(place, patch, where=patch > 0)
        return np.ascontiguousarray(blend_parts(rgb, labels, opacity=0.5)[..., ::-1])
