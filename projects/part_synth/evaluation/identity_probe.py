"""How much of a person's identity an embedding still tells.

Symbols: N frames, D numbers of an embedding, P people.
"""

from __future__ import annotations

import logging

import numpy as np
from mmengine.logging import print_log

from part_synth.evaluation.embedded_frames import EmbeddedFrames, EmbeddingMetric
from part_synth.registry import METRICS


def evaluate_identity_probe(frames: EmbeddedFrames, ridge: float = 1e-3) -> dict[str, float]:
    """Accuracy of a linear probe that reads the person from the embedding.

    Every other clip of each person, in the order of their names, trains the probe; it is tested on
    the other clips. The probe is ridge regression from standardised embeddings to one-hot people in
    closed form, each person weighing the same. People with a single clip are left out.

    Args:
        frames: The test set; poses are not used.
        ridge: Weight of the penalty, relative to the unit variance of the features.

    Returns:
        ``identity_probe_acc_pct``, the mean over people of the share of frames that are recognised,
        and ``identity_probe_chance_pct``, 100 / P, which is what any constant answer reaches.

    Raises:
        ValueError: Fewer than two people have two clips, or ``ridge`` is not positive.
    """
    if not ridge > 0:
        raise ValueError(f"The identity probe needs a positive ridge, got {ridge}.")
    clips = np.unique(frames.codes("subject", "clip"), return_index=True)[1]
    people, clip_count = np.unique(frames.subject[clips], return_counts=True)
    lonely, people = people[clip_count < 2], people[clip_count >= 2]
    if len(people) < 2:
        raise ValueError(
            "The identity probe trains on half of each person's clips and tests on the others: it "
            f"needs two people with two clips each, and the test set has {len(people)} "
            f"(people: {', '.join(map(str, np.unique(frames.subject)))}). Use more test data, or "
            "take part_synth.IdentityProbeMetric out of the config."
        )
    if len(lonely):
        print_log(
            f"The identity probe leaves out people with a single clip: {', '.join(lonely)}.",
            logger="current",
            level=logging.WARNING,
        )
        frames = frames.select(np.isin(frames.subject, people))
    metrics = {"identity_probe_chance_pct": 100.0 / len(people)}
    if not np.isfinite(frames.embeddings).all():
        return {"identity_probe_acc_pct": float("nan"), **metrics}
    label = frames.codes("subject")
    train = _every_other_clip(frames)
    predicted = _probe(frames.embeddings, label, train, ridge)
    right = (predicted == label)[~train]
    share = np.bincount(label[~train], weights=right) / np.bincount(label[~train])
    return {"identity_probe_acc_pct": 100.0 * float(share.mean()), **metrics}


def _every_other_clip(frames: EmbeddedFrames) -> np.ndarray:
    """Mask (N,): the first, third, ... clip of each person."""
    # Clips are numbered person by person: a clip's place is its number less its person's first.
    clip, person = frames.codes("subject", "clip"), frames.codes("subject")
    first = np.full(person.max() + 1, len(clip))
    np.minimum.at(first, person, clip)
    return (clip - first[person]) % 2 == 0


def _probe(embeddings: np.ndarray, label: np.ndarray, train: np.ndarray, ridge: float):
    """Predicted people (N,) of all frames, from the frames of the mask ``train``."""
    features = embeddings.astype(np.float64)
    # Each person weighs the same, whatever the number of frames.
    weight = 1.0 / np.bincount(label[train])[label[train]]
    weight /= weight.sum()
    mean = weight @ features[train]
    spread = np.sqrt(weight @ (features[train] - mean) ** 2)
    features = (features - mean) / np.where(spread > 1e-12, spread, 1.0)
    target = np.eye(label.max() + 1)[label[train]]
    target = target - weight @ target
    weighted = features[train] * weight[:, None]
    gram = weighted.T @ features[train] + ridge * np.eye(features.shape[1])
    return (features @ np.linalg.solve(gram, weighted.T @ target)).argmax(1)


@METRICS.register_module()
class IdentityProbeMetric(EmbeddingMetric):
    """Accuracy of a linear probe for the person; see :func:`evaluate_identity_probe`.

    What a lower number is worth shows beside the pose error: an embedding of noise tells nobody
    apart either.

    Args:
        ridge: Weight of the penalty.
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.
    """

    def __init__(
        self,
        ridge: float = 1e-3,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix=prefix, collect_dir=collect_dir)
        self.ridge = ridge

    def measure(self, frames: EmbeddedFrames) -> dict[str, float]:
        """The probe's accuracy.

        Args:
            frames: The test set.

        Returns:
            ``identity_probe_acc_pct`` and ``identity_probe_chance_pct``.
        """
        return evaluate_identity_probe(frames, self.ridge)
