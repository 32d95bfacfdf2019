"""Which instants of a batch may be told apart, and the hardest of them.

Symbols: N instants of a batch, V views of each, D size of the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# What an instant is told apart from: other instants of the same clip, of the same person, or all.
SCOPES = ("clip", "person", "batch")

# Times come from frame numbers divided by a frame rate: seconds closer than this are equal.
_ROUNDING = 1e-4


def negative_mask(
    subjects: Sequence[str],
    clips: Sequence[str],
    times: Tensor,
    min_gap: float,
    scope: str = "person",
) -> Tensor:
    """Say for all pairs of instants whether one is a negative of the other.

    Negatives of one person differ in pose and not in clothes or room, so nothing but the pose can
    tell them apart. Instants of one clip closer in time than ``min_gap`` are neither negatives nor
    positives: their poses are nearly the same. Different clips of a person are never too close.

    Args:
        subjects: (N,) names of the people.
        clips: (N,) names of the clips, unique together with the person.
        times: (N,) seconds in the clip.
        min_gap: Seconds; negatives of the same clip are at least this far apart.
        scope: 'clip': of the same person and clip only; 'person': of the same person; 'batch': of
            anybody.

    Returns:
        (N, N) bool, symmetric, False on the diagonal.

    Raises:
        ValueError: If the scope is unknown or the lengths differ.
    """
    if scope not in SCOPES:
        raise ValueError(f"`scope` of the negatives is one of {SCOPES}, got {scope!r}.")
    if not len(subjects) == len(clips) == len(times):
        raise ValueError(
            "subjects, clips and times must be equally many, got "
            f"{len(subjects)}, {len(clips)} and {len(times)}."
        )
    person = _codes(subjects).to(times.device)
    clip = _codes(list(zip(subjects, clips, strict=True))).to(times.device)
    same_clip = clip[:, None] == clip
    apart = (times[:, None] - times).abs() >= max(min_gap - _ROUNDING, _ROUNDING)
    if scope == "clip":
        return same_clip & apart
    mask = ~same_clip | apart
    return mask & (person[:, None] == person) if scope == "person" else mask


def _codes(names: Sequence) -> Tensor:
    """(N,) integers, equal where the names are."""
    numbers: dict = {}
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in names])


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances between unit vectors.

    Args:
        a: (*, N, D) unit vectors.
        b: (*, M, D) unit vectors.

    Returns:
        (*, N, M), at least 0.
    """
    return (2 - 2 * a @ b.mT).clamp_min(0)


def hardest_negatives(distances: Tensor, negatives: Tensor) -> Tensor:
    """Distance of the nearest negative of every pair, searched from both of its ends.

    For the pair (a_i, p_i) this is ``min(min_j d(a_i, p_j), min_j d(a_j, p_i))`` over the
    negatives j of i (HardNet, Mishchuk et al., NeurIPS 2017).

    Args:
        distances: (*, N, N) d(a_i, p_j).
        negatives: (N, N) bool, symmetric.

    Returns:
        (*, N); infinite where an instant has no negative in the batch.
    """
    candidates = distances.masked_fill(~negatives, torch.inf)
    return torch.minimum(candidates.amin(-1), candidates.amin(-2))
