"""People in frames: boxes from mmdet, 2D joints from mmpose, 3D joints from our image models.

Symbols: P people of a frame, L joints of the 2D model's layout, K = 17 Human3.6M joints. Boxes are
left, top, right, bottom in px. Images are (H, W, 3) uint8 BGR.

mmdet and mmpose's models are imported when a model is built, not before: they are heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from part_synth.apis import init_model, load_config, predict_people
from part_synth.engine.checkpoint_guard import check_checkpoint_file
from part_synth.geometry.keypoint_layouts import keypoint_layout
from part_synth.visualization import blend_parts

WHOLE_FRAME = ("whole-frame", "whole_frame", "whole_image", "whole-image")
# People that go through a 2D model at once.
_CROPS_AT_ONCE = 64


@dataclass
class FramePeople:
    """People of one frame.

    Attributes:
        boxes: (P, 4) float32 px.
        box_scores: (P,) float32.
        keypoints: (P, L, 2) float32 px; L = K for 3D models.
        scores: (P, L) float32.
        joints: (P, K, 3) float32 metres, camera frame, root at the origin, of 3D models; else None.
        person_ids: (P,) int64 where boxes come with numbers; else None.
    """

    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    box_scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    keypoints: np.ndarray = field(default_factory=lambda: np.zeros((0, 17, 2), np.float32))
    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, 17), np.float32))
    joints: np.ndarray | None = None
    person_ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)


def resolve_model(config: str | Path | Config, weights: str | Path | None, what: str, scope: str):
    """Config and checkpoint of a model of the OpenMMLab family.

    Args:
        config: Config, its file, or a name or alias of the metafiles of ``scope``.
        weights: Checkpoint; None for the one that belongs to a name.
        what: What it is, for messages, such as 'pose2d'.
        scope: 'mmpose' or 'mmdet'.

    Returns:
        tuple: Config and checkpoint.

    Raises:
        FileNotFoundError: A file is missing; the message says which.
        ValueError: The checkpoint is not given, or the name is unknown.
    """
    if isinstance(config, Config):
        cfg = config
    elif Path(config).is_file():
        cfg = load_config(str(config))
    elif str(config).endswith((".py", ".json", ".yaml")):
        raise FileNotFoundError(
            f"The config {config} of {what} does not exist (looked for at "
            f"{Path(config).resolve()})."
        )
    else:
        from mmengine.infer.infer import BaseInferencer

        try:
            # The method needs nothing of an inferencer but its scope.
            cfg, found = BaseInferencer._load_model_from_metafile(
                SimpleNamespace(scope=scope), str(config)
            )
        except (ValueError, AssertionError) as error:
            raise ValueError(
                f"{what}={str(config)!r} is neither a config file nor a name that {scope} knows; "
                "give the path of a config."
            ) from error
        weights = weights or found
    if weights is None:
        raise ValueError(
            f"{what} is given without a checkpoint; give {what}_weights=FILE, the weights that "
            "belong to this config."
        )
    check_checkpoint_file(str(weights))
    return cfg, str(weights)


class WholeFrame:
    """Every frame is the box of one person."""

    def find(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(1, 5) box and score of each image."""
        return [np.array([[0, 0, i.shape[1], i.shape[0], 1]], np.float32) for i in images]


class Detector:
    """People found by a model of mmdet.

    Args:
        config: Config of the detector, or a name of mmdet's.
        weights: Its checkpoint.
        device: Where it runs.
        cat_ids: Categories that are people; 0 in COCO.
        score_thr: Boxes with lower scores are dropped.
        nms_thr: Of boxes that overlap more, the best is kept.
    """

    def __init__(
        self,
        config,
        weights,
        device: str = "cpu",
        cat_ids: Sequence[int] = (0,),
        score_thr: float = 0.3,
        nms_thr: float = 0.3,
    ) -> None:
        cfg, weights = resolve_model(config, weights, "det_model", "mmdet")
        from mmdet.apis import init_detector

        with DefaultScope.overwrite_default_scope("mmdet"):
            self.model = init_detector(cfg, weights, palette="random", device=device)
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
            if len(boxes):
                boxes = boxes[nms(boxes, self.nms_thr)]
            size = np.array([image.shape[1], image.shape[0]])
            good = np.isfinite(boxes).all(1) & (boxes[:, 2:4] - boxes[:, :2] >= 1).all(1)
            good &= (boxes[:, :2] < size).all(1) & (boxes[:, 2:4] > 0).all(1)
            found.append(boxes[good])
        return found


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
    """

    def __init__(self, config, weights, device: str = "cpu", skeleton: str | None = None) -> None:
        cfg, weights = resolve_model(config, weights, "pose2d", "mmpose")
        # The parts of mmpose's models are registered by their imports.
        import mmpose.models  # noqa: F401
        from mmpose.apis import init_model as init_mmpose

        with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmpose")):
            self.model = init_mmpose(cfg, weights, device=device)
            pipeline = cfg.test_dataloader.dataset.pipeline
            self.pipeline = Compose(pipeline)
        self.scope = cfg.get("default_scope", "mmpose")
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


def boxes_around(keypoints: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) around the seen ones of keypoints (N, L, 2), a tenth larger; 0 for nothing."""
    if keypoints.shape[1] == 0:
        return np.zeros((len(keypoints), 4), np.float32)
    low = np.where(seen[..., None], keypoints, np.inf).min(1)
    high = np.where(seen[..., None], keypoints, -np.inf).max(1)
    margin = 0.05 * (high - low).max(-1, keepdims=True)
    boxes = np.concatenate([low - margin, high + margin], axis=1)
    return np.where(seen.any(1)[:, None], boxes, 0.0).astype(np.float32)


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
        """3D joints of the people in images, see :meth:`Pose2D.find`."""
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
