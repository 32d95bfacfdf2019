"""The model of multi-view metric learning: embedding, pose head, and the losses that teach them.

Symbols: N instants, V views of each, B = N V frames, D size of the embedding, K = 17 joints.
"""

from __future__ import annotations

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from part_synth.geometry import mirror
from part_synth.models.objectives import flat_frames
from part_synth.registry import MODELS

from .mining import negative_mask
from .networks import PoseEmbedding

# What part_synth.PoseMetric measures of the head, and what tells embeddings instead.
_POSE_METRICS = (
    *("mpjpe_mm", "n_mpjpe_mm", "p_mpjpe_mm", "p_mpjpe_flip_tolerant_mm"),
    *("mpjpe_mm_action_mean", "p_mpjpe_mm_action_mean", "pck150_pct", "auc_pct"),
)
_RETRIEVAL_METRIC = "cross_view_pa_mpjpe@1_mm"


@MODELS.register_module()
class MetricPoseModel(BaseModel):
    """View-invariant embedding of a pose, and the 3D pose read from it.

    After Mitra et al. (arXiv 1908.05293): synchronised views of one instant come together in the
    embedding and other instants are pushed away; a head reads the canonical pose off the embedding
    and learns from the few frames with labels.

    Args:
        encoder: Config of the encoder; None = :class:`EmbeddingEncoder` with a ResNet-18.
        head: Config of the pose head.
        pose_loss: Config of the loss on labelled frames; None trains the embedding alone.
        metric_loss: Config of the loss on the embedding, such as ``part_synth.
            HardestNegativeLoss``; None trains on the labelled frames alone.
        distance_loss: Config of ``part_synth.PoseDistanceLoss``, or None.
        spread_loss: Config of ``part_synth.EmbeddingSpreadLoss``, or None.
        consensus: Config of ``part_synth.ViewConsensusLoss``, or None.
        articulation: Config of ``part_synth.ArticulationLimitLoss`` on all predicted poses, or
            None.
        identity: Config of ``part_synth.IdentityAdversary``, or None.
        min_gap: Seconds; closer instants of a clip are no negatives of each other.
        scope: What an instant is told apart from: 'clip', 'person' or 'batch'.
        camera_scope: How long cameras stand still, for the consensus: for all clips of a 'person'
            or for one 'clip'.
        flip_test: Average the poses of a picture and its mirror image.
    """

    def __init__(
        self,
        encoder: dict | None = None,
        head: dict | None = None,
        pose_loss: dict | None = None,
        metric_loss: dict | None = None,
        distance_loss: dict | None = None,
        spread_loss: dict | None = None,
        consensus: dict | None = None,
        articulation: dict | None = None,
        identity: dict | None = None,
        min_gap: float = 0.3,
        scope: str = "person",
        camera_scope: str = "person",
        flip_test: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            MODELS.build(data_preprocessor or {"type": "part_synth.PartSynthDataPreprocessor"}),
            init_cfg,
        )
        self.encoder = MODELS.build(encoder or {"type": "part_synth.EmbeddingEncoder"})
        self.head = MODELS.build(head or {"type": "part_synth.CanonicalPoseHead"})
        given, wanted = self.encoder.embedding_size, getattr(self.head, "embedding_size", None)
        if wanted not in (None, given):
            raise ValueError(
                f"The encoder's embedding has {given} numbers, the head takes {wanted}; set "
                "embedding_size of both to the same."
            )
        self.pose_loss = _build(pose_loss)
        self.metric_loss = _build(metric_loss)
        self.distance_loss = _build(distance_loss)
        self.spread_loss = _build(spread_loss)
        self.consensus = _build(consensus)
        self.articulation = _build(articulation)
        self.identity = _build(identity)
        self.min_gap = min_gap
        self.scope = scope
        if camera_scope not in ("person", "clip"):
            raise ValueError(f"`camera_scope` is 'person' or 'clip', got {camera_scope!r}.")
        self.camera_scope = camera_scope
        self.flip_test = flip_test
        self._saw_labels = False

    def save_best_warning(self, metric: str) -> str | None:
        """Why checkpoints should not be chosen by a metric, or None.

        Args:
            metric: Key of it, as in ``default_hooks.checkpoint.save_best``.
        """
        if self.pose_loss is not None or metric not in _POSE_METRICS:
            return None
        return (
            f"The best checkpoint is chosen by {metric}, but no loss trains the pose head "
            "(pose_loss=None): the number says nothing about the embedding. Set "
            f"default_hooks.checkpoint.save_best='{_RETRIEVAL_METRIC}' and "
            "val_evaluator=dict(_delete_=True, type='part_synth.PoseRetrievalMetric', topk=(1,)), "
            "or save_best=None."
        )

    def _check_labels(self, weight: Tensor) -> None:
        """Refuse a first batch without any label; later ones may lack them by chance."""
        if not self._saw_labels and not (weight > 0).any():
            raise ValueError(
                f"None of the {len(weight)} frames of the first training batch has a 3D pose with "
                "all joints, so pose_loss has nothing to learn from. Set labelled=1 or more of the "
                "batch sampler (train_dataloader.batch_sampler.labelled) and give the data set "
                "labels (labelled, pseudo_labels), or set model.pose_loss=None to train the "
                "embedding alone."
            )
        self._saw_labels = True

    def forward(self, inputs, data_samples: list | None = None, mode: str = "tensor"):
        """Run the model.

        Args:
            inputs: Dict with ``image`` (N, V, 3, H, W) in [-1, 1] (and ``background``), or an
                image batch (B, 3, H, W).
            data_samples: N samples.
            mode: 'tensor' gives the :class:`PoseEmbedding` of all frames, 'loss' a dict of losses,
                'predict' the samples with predictions (first view).
        """
        if isinstance(inputs, Tensor):
            inputs = {"image": inputs[:, None]}
        if mode == "tensor":
            return self.encoder(*flat_frames(inputs))
        if mode == "loss":
            return self.loss(inputs, data_samples)
        if mode == "predict":
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode is 'tensor', 'loss' or 'predict', got {mode!r}")

    # ---- training ----------------------------------------------------------------------------

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Losses of a batch of instants; see :class:`MetricPoseModel`.

        Raises:
            ValueError: There is no loss to train with, or the first batch has no label for
                ``pose_loss``.
        """
        images, background = flat_frames(inputs)
        count, views = inputs["image"].shape[:2]
        encoded: PoseEmbedding = self.encoder(images, background)
        joints, rotations = self.head(encoded)
        meta = [sample.metainfo for sample in data_samples]
        weight = _stack(data_samples, "lifting_target_visible").to(images).amin(-1)
        joints_cam = _stack(data_samples, "lifting_target").to(images)
        losses = {}
        if self.pose_loss is not None:
            self._check_labels(weight)
            losses = self.pose_loss(
                joints,
                rotations,
                encoded,
                joints_cam=joints_cam,
                points=_stack(data_samples, "crop_keypoints").to(images),
                weight=weight,
            )
        if self.metric_loss is not None:
            times = torch.as_tensor(np.stack([m["time"][0] for m in meta])).to(images.device)
            negatives = negative_mask(
                [m["subject"] for m in meta],
                [m["clip"] for m in meta],
                times,
                self.min_gap,
                self.scope,
            )
            embeddings = encoded.embedding.unflatten(0, (count, views))
            losses["loss_metric"] = self.metric_loss(embeddings, negatives)
        if self.distance_loss is not None:
            losses["loss_distance"] = self.distance_loss(encoded.embedding, joints_cam, weight)
        if self.spread_loss is not None:
            losses["loss_spread"] = self.spread_loss(encoded.embedding)
        if self.articulation is not None:
            losses["loss_articulation"] = self.articulation(joints)
        people = torch.tensor([m["subject_id"] for m in meta], device=images.device)
        if self.identity is not None:
            named = self.identity(encoded.embedding, people.repeat_interleave(views))
            losses["loss_identity"], losses["identity_acc"] = named
        if self.consensus is not None:
            by_view = (count, views)
            losses |= self.consensus(
                joints.unflatten(0, by_view),
                encoded.reading.unflatten(0, by_view),
                rotations.unflatten(0, by_view),
                _camera_numbers(meta, views).to(images.device),
                people if self.camera_scope == "person" else _clip_numbers(meta).to(people),
                torch.tensor([m["flip"] for m in meta], device=images.device),
                # Pseudo-labels count less than 1 and leave something to agree on.
                weight.unflatten(0, by_view).amax(-1) < 1,
            )
        if not any(name.startswith("loss") for name in losses):
            raise ValueError(
                "There is nothing to train: pose_loss, metric_loss, distance_loss, spread_loss, "
                "articulation and identity of the model are None, and the consensus of views is "
                "None or has not begun (`start`). Give one of them."
            )
        return losses

    # ---- prediction --------------------------------------------------------------------------

    @torch.no_grad()
    def embed(self, images: Tensor, backgrounds: Tensor | None = None) -> Tensor:
        """Embed (B, 3, H, W) crops in [-1, 1]: (B, D) unit vectors, float32."""
        return self.encoder(images, backgrounds).embedding.float()

    def poses(
        self, images: Tensor, backgrounds: Tensor | None = None
    ) -> tuple[Tensor, PoseEmbedding]:
        """Read (B, 3, H, W) crops in [-1, 1].

        Returns:
            Root-relative camera-frame joints (B, K, 3), metres, and the embedding of the crops.
        """
        encoded = self.encoder(images, backgrounds)
        joints, rotations = self.head(encoded)
        if self.flip_test:
            mirrored = self.encoder(
                images.flip(-1), None if backgrounds is None else backgrounds.flip(-1)
            )
            # Averaged where a disagreement about the view does no harm.
            joints = (joints + mirror(self.head(mirrored)[0])) / 2
        return joints @ rotations.mT, encoded

    @torch.no_grad()
    def predict(self, inputs: dict[str, Tensor], data_samples: list | None) -> list:
        """Fill in samples from their first view.

        Adds ``pred_instances``: ``keypoints`` (1, K, 3) root-relative camera-frame metres,
        ``keypoint_scores`` (1, K), ``embeddings`` (1, D).
        """
        if data_samples is None:
            raise ValueError("mode='predict' needs the data_samples to fill in, got None")
        background = inputs.get("background")
        joints, encoded = self.poses(
            inputs["image"][:, 0], None if background is None else background[:, 0]
        )
        joints = joints.float().cpu().numpy()
        embeddings = encoded.embedding.float().cpu().numpy()
        for i, sample in enumerate(data_samples):
            sample.pred_instances = InstanceData(
                keypoints=joints[i : i + 1],
                keypoint_scores=np.ones(joints[i : i + 1].shape[:2], dtype=np.float32),
                embeddings=embeddings[i : i + 1],
            )
        return data_samples


def _build(config: dict | None):
    return None if config is None else MODELS.build(config)


def _stack(data_samples: list, name: str) -> Tensor:
    """(B, ...) one label of all frames."""
    return torch.from_numpy(
        np.concatenate([np.asarray(sample.gt_instances[name]) for sample in data_samples])
    )


def _clip_numbers(meta: list[dict]) -> Tensor:
    """(N,) numbers of the clips; clips of different people are different ones."""
    names = np.array([f"{m['subject']}/{m['clip']}" for m in meta])
    return torch.from_numpy(np.unique(names, return_inverse=True)[1])


def _camera_numbers(meta: list[dict], views: int) -> Tensor:
    """(N, V) numbers of the cameras."""
    names = [[m["camera"]] * views if isinstance(m["camera"], str) else m["camera"] for m in meta]
    numbers = np.unique(np.array(names), return_inverse=True)[1]
    return torch.from_numpy(numbers.reshape(len(meta), views))
