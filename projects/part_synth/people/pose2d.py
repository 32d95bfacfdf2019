"""2D joints of people from mmpose, whose models are imported when one is built: they are heavy.

Symbols: P people of a frame, L joints of the model's layout. Boxes are left, top, right, bottom in
px. Images are (H, W, 3) uint8 BGR.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from part_synth.geometry.keypoint_layouts import keypoint_layout

from .frame_people import FramePeople, boxes_around
from .model_files import build_model, resolve_model

# People that go through a model at once.
_CROPS_AT_ONCE = 64


class Pose2D:
    """2D joints from a model of mmpose, top-down or bottom-up.

    Args:
        config: Config of the model, or a name of mmpose's.
        weights: Its checkpoint.
        device: Where it runs.
        skeleton: Layout of its joints; None = the one that its data set has.

    Attributes:
        layout: Name of the layout.
        needs_boxes: Whether it is top-down.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model can't be built, or its layout is not known.
    """

    def __init__(
        self,
        config: str | Path | Config,
        weights: str | Path | None,
        device: str = "cpu",
        skeleton: str | None = None,
    ) -> None:
        cfg, weights = resolve_model(config, weights, "pose2d", "mmpose")
        # The parts of mmpose's models are registered by their imports.
        import mmpose.models  # noqa: F401
        from mmpose.apis import init_model as init_mmpose

        self.scope = cfg.get("default_scope", "mmpose")
        self.model = build_model(init_mmpose, cfg, weights, device, "pose2d", self.scope)
        with DefaultScope.overwrite_default_scope(self.scope):
            self.pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
        name = skeleton or self.model.dataset_meta.get("dataset_name", "coco")
        self.layout = keypoint_layout(name).name
        self.needs_boxes = cfg.get("data_mode", "topdown") == "topdown"

    def find(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None
    ) -> list[FramePeople]:
        """2D joints of the people in images.

        Args:
            images: Images of a batch.
            boxes: (P, 5) boxes and scores of each image; None for bottom-up models.

        Returns:
            list[FramePeople]: One for each image.
        """
        with DefaultScope.overwrite_default_scope(self.scope):
            if not self.needs_boxes:
                samples = self._run([self._data(image) for image in images])
                return [_people(sample.pred_instances) for sample in samples]
            data, owners = [], []
            for i, (image, found) in enumerate(zip(images, boxes, strict=True)):
                for box in found:
                    data.append(self._data(image, box))
                    owners.append(i)
            samples = self._run(data)
        people = [FramePeople() for _ in images]
        owners = np.array(owners, dtype=int)
        for i in np.unique(owners):
            ours = [samples[k].pred_instances for k in np.flatnonzero(owners == i)]
            people[i] = _people(InstanceData.cat([_numpy_instances(one) for one in ours]))
            people[i].boxes, people[i].box_scores = boxes[i][:, :4], boxes[i][:, 4]
        return people

    def _data(self, image: np.ndarray, box: np.ndarray | None = None) -> dict:
        data = {"img": image, "img_path": ""}
        if box is not None:
            data |= {"bbox": box[None, :4], "bbox_score": box[4:5]}
        return self.pipeline(data | dict(self.model.dataset_meta))

    @torch.no_grad()
    def _run(self, data: list[dict]) -> list:
        samples = []
        for start in range(0, len(data), _CROPS_AT_ONCE):
            batch = pseudo_collate(data[start : start + _CROPS_AT_ONCE])
            samples += self.model.test_step(batch)
        return samples


def _numpy_instances(instances: InstanceData) -> InstanceData:
    """Joints and scores alone, as arrays: models add fields of other shapes."""
    return InstanceData(
        keypoints=np.asarray(_array(instances.keypoints)),
        keypoint_scores=np.asarray(_array(instances.keypoint_scores)),
    )


def _array(values) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values


def _people(instances: InstanceData) -> FramePeople:
    """Rows of a bottom-up model's result, with the boxes around the joints."""
    keypoints = np.asarray(_array(instances.keypoints), dtype=np.float32)[..., :2]
    scores = np.asarray(_array(instances.keypoint_scores), dtype=np.float32)
    boxes = boxes_around(keypoints, np.isfinite(keypoints).all(-1))
    certain = np.asarray(_array(instances.get("bbox_scores", scores.mean(-1))), dtype=np.float32)
    return FramePeople(boxes, certain.reshape(-1), keypoints, scores)
