"""Boxes of people from mmdet, which is imported when a model is built: it is heavy.

Symbols: P people of a frame. Boxes are left, top, right, bottom in px. Images are (H, W, 3) uint8
BGR.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope

from .model_files import build_model, resolve_model


class Detector:
    """People found by a model of mmdet.

    Args:
        config: Config of the detector, or a name of mmdet's.
        weights: Its checkpoint.
        device: Where it runs.
        cat_ids: Categories that are people; 0 in COCO. None = the class 'person', or the only one.
        score_thr: Boxes with lower scores are dropped.
        nms_thr: Of boxes that overlap more, the best is kept; None = as the detector has them.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model can't be built, or knows no people.
    """

    def __init__(
        self,
        config: str | Path | Config,
        weights: str | Path | None,
        device: str = "cpu",
        cat_ids: Sequence[int] | None = (0,),
        score_thr: float = 0.3,
        nms_thr: float | None = 0.3,
    ) -> None:
        cfg, weights = resolve_model(config, weights, "det_model", "mmdet")
        from mmdet.apis import init_detector

        # A palette of its own, or mmdet looks for one in configs that have no data set.
        build = functools.partial(init_detector, palette="random")
        self.model = build_model(build, cfg, weights, device, "det_model", "mmdet")
        if cat_ids is None:
            cat_ids = [person_category(self.model.dataset_meta or {}, config)]
        self.cat_ids = [int(i) for i in np.ravel(cat_ids)]
        self.score_thr = score_thr
        self.nms_thr = nms_thr

    def find(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(P, 5) boxes and scores of each image."""
        from mmdet.apis import inference_detector
        from mmpose.evaluation.functional import nms

        with DefaultScope.overwrite_default_scope("mmdet"):
            results = inference_detector(self.model, list(images))
        found = []
        for result, image in zip(results, images, strict=True):
            people = result.pred_instances.cpu().numpy()
            boxes = np.concatenate([people.bboxes, people.scores[:, None]], axis=1)
            good = np.isin(people.labels, self.cat_ids) & (people.scores >= self.score_thr)
            boxes = boxes[good].astype(np.float32)
            if len(boxes) and self.nms_thr is not None:
                boxes = boxes[nms(boxes, self.nms_thr)]
            size = np.array([image.shape[1], image.shape[0]])
            good = np.isfinite(boxes).all(1) & (boxes[:, 2:4] - boxes[:, :2] >= 1).all(1)
            good &= (boxes[:, :2] < size).all(1) & (boxes[:, 2:4] > 0).all(1)
            found.append(boxes[good])
        return found


def person_category(dataset_meta: dict, config: object) -> int:
    """Category of people in the classes of a data set.

    Args:
        dataset_meta: With ``classes``.
        config: What it is of, for the message.

    Returns:
        int: That of 'person'; 0 where there is one class, or none is named.

    Raises:
        ValueError: There are several classes, and none is 'person'.
    """
    classes = tuple(dataset_meta.get("classes", ()))
    if len(classes) > 1 and "person" not in classes:
        raise ValueError(
            f"The detector of {config} knows no class 'person', but {', '.join(classes[:5])}"
            f"{', ...' if len(classes) > 5 else ''}."
        )
    return classes.index("person") if "person" in classes else 0
