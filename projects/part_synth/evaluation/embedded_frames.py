"""Embeddings of a test set with what is known of each frame, and the metrics' common part.

Symbols: N frames, D numbers of an embedding, J joints.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from part_synth.evaluation._common import ArrayLike


@dataclass
class EmbeddedFrames:
    """N frames of a test set.

    Attributes:
        embeddings: (N, D) float32.
        subject: (N,) person.
        clip: (N,) clip of the person.
        camera: (N,) camera.
        frame: (N,) number of the frame in its clip, the same in all cameras.
        time: (N,) seconds in the clip.
        poses: (N, J, 3) true joints, metres, relative to the root, NaN where not annotated; None
            where unknown.

    Raises:
        ValueError: There is no frame, or columns differ in length.
    """

    embeddings: np.ndarray
    subject: np.ndarray
    clip: np.ndarray
    camera: np.ndarray
    frame: np.ndarray
    time: np.ndarray
    poses: np.ndarray | None = None
    _codes: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.embeddings = np.asarray(self.embeddings, dtype=np.float32)
        if self.embeddings.ndim != 2 or self.embeddings.size == 0:
            raise ValueError(
                f"Embeddings must be (N, D) with N > 0, got {self.embeddings.shape}: the data set "
                "is empty, or the model embeds nothing."
            )
        for name in ("subject", "clip", "camera", "frame", "time", "poses"):
            value = getattr(self, name)
            if value is None and name == "poses":
                continue
            setattr(self, name, np.asarray(value))
            if len(getattr(self, name)) != len(self.embeddings):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} rows for {len(self.embeddings)} "
                    "embeddings."
                )

    def __len__(self) -> int:
        return len(self.embeddings)

    def codes(self, *columns: str) -> np.ndarray:
        """Number the different values of some columns.

        Args:
            *columns: ``'subject'``, ``'clip'``, ``'camera'``, ``'frame'``.

        Returns:
            (N,) int64, from 0; equal where all the columns are equal.
        """
        if columns in self._codes:
            return self._codes[columns]
        joint = np.zeros(len(self), dtype=np.int64)
        for name in columns:
            _, code = np.unique(getattr(self, name), return_inverse=True)
            joint = joint * (code.max() + 1) + code.reshape(-1)
            # Numbered anew each time: products of many columns would overflow.
            joint = np.unique(joint, return_inverse=True)[1].reshape(-1)
        self._codes[columns] = joint
        return joint

    def select(self, keep: np.ndarray) -> EmbeddedFrames:
        """Some of the frames.

        Args:
            keep: Rows, or a mask (N,).

        Returns:
            EmbeddedFrames: Those.
        """
        names = ("embeddings", "subject", "clip", "camera", "frame", "time")
        poses = None if self.poses is None else self.poses[keep]
        return EmbeddedFrames(**{name: getattr(self, name)[keep] for name in names}, poses=poses)


class EmbeddingMetric(BaseMetric):
    """A metric over the embeddings of a whole test set; subclasses implement :meth:`measure`.

    Each data sample needs ``pred_instances.embeddings`` (1, D) and the meta keys ``subject``,
    ``clip``, ``camera``, ``frame`` (1,) and ``time`` (1,); true poses are taken from
    ``gt_instances.lifting_target`` (1, J, 3) where there are any.

    Args:
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.
    """

    def __init__(
        self,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        # mmengine warns of metrics without a prefix; ours carry name and unit in the key instead.
        super().__init__(collect_device, prefix=prefix or "none", collect_dir=collect_dir)
        self.prefix = prefix

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the embedding of each sample, and what it is compared by.

        Args:
            data_batch: Not used.
            data_samples: Data samples as dicts, one frame each.

        Raises:
            ValueError: A sample lacks its embedding or a meta key, or has several frames.
        """
        name = type(self).__name__
        self.results.extend(_embedding_record(sample, name) for sample in data_samples)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """The metric of the whole set.

        Args:
            results: Records that :meth:`process` made, of all ranks.

        Returns:
            Metrics by name.

        Raises:
            ValueError: There is no sample, or see :meth:`measure`.
        """
        if not results:
            raise ValueError(f"{type(self).__name__} got no samples: the data set is empty.")
        columns = {name: [record[name] for record in results] for name in results[0]}
        known = all(pose is not None for pose in columns["poses"])
        columns["poses"] = np.stack(columns["poses"]) if known else None
        columns["embeddings"] = np.stack(columns["embeddings"])
        return self.measure(EmbeddedFrames(**columns))

    @abstractmethod
    def measure(self, frames: EmbeddedFrames) -> dict[str, float]:
        """The metric of a set of frames.

        Args:
            frames: The frames.

        Returns:
            Metrics by name.
        """


def _embedding_record(sample: dict, metric: str) -> dict:
    """What one data sample contributes."""
    pred, gt = sample.get("pred_instances"), sample.get("gt_instances")
    if pred is None or "embeddings" not in pred:
        raise ValueError(
            f"{metric}: a data sample has no pred_instances.embeddings (1, D): the model must "
            "write them in mode 'predict', as part_synth.MetricPoseModel does. Take the metric "
            "out of the config for other models."
        )
    missing = [n for n in ("subject", "clip", "camera", "frame", "time") if sample.get(n) is None]
    if missing:
        raise ValueError(
            f"{metric}: a data sample lacks the meta keys {', '.join(missing)}: use a data set "
            "whose pipeline ends with part_synth.PackFrames."
        )
    embedding = _as_numpy(pred["embeddings"])
    frame = np.atleast_1d(_as_numpy(sample["frame"]))
    if embedding.ndim != 2 or len(embedding) != 1 or len(frame) != 1:
        raise ValueError(
            f"{metric} compares single frames, but a sample has {len(frame)} frames and embeddings "
            f"of shape {embedding.shape}. Test with part_synth.PoseFrameDataset."
        )
    record = {name: str(sample[name]) for name in ("subject", "clip", "camera")}
    record.update(
        embeddings=embedding[0].astype(np.float32),
        frame=int(frame[0]),
        time=float(np.atleast_1d(_as_numpy(sample["time"]))[0]),
        poses=None,
    )
    if gt is not None and "lifting_target" in gt:
        joints = _as_numpy(gt["lifting_target"]).reshape(-1, *gt["lifting_target"].shape[-2:])[0]
        record["poses"] = root_relative(joints, gt.get("lifting_target_visible"))
    return record


def root_relative(joints: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """Move the root to the origin; joints that are not annotated become NaN.

    Args:
        joints: (J, 3) metres.
        visible: (J,) or (1, J), above 0 = annotated; None means all joints.

    Returns:
        (J, 3) float32, metres.
    """
    # In float64: metres from the camera are large beside millimetres of the pose.
    joints = np.asarray(joints, dtype=np.float64)
    joints = joints - joints[:1]
    if visible is not None:
        joints[_as_numpy(visible).reshape(-1) <= 0] = np.nan
    return joints.astype(np.float32)


def _as_numpy(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
