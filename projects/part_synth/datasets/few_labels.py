"""Which frames keep their 3D labels when only few are to be used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from part_synth.datasets.frame_index import FrameIndex
from part_synth.datasets.frame_tables import FrameGroups


def have_labels(index: FrameIndex, instants: FrameGroups) -> np.ndarray:
    """Which instants have 3D labels: a visible joint that is a number, in a frame of theirs.

    Args:
        index: The frames; a visibility of NaN counts as 0.
        instants: G groups of frames, none empty.

    Returns:
        (G,) bool.
    """
    joints = np.isfinite(index.joints).all(-1) & (index.joints_visible > 0)
    return np.logical_or.reduceat(joints.any(1)[instants.order], instants.offsets[:-1])


def choose_labelled(
    subjects: np.ndarray,
    keep_subjects: Sequence[str] | None = None,
    fraction: float = 1.0,
    seed: int = 0,
    available: np.ndarray | None = None,
) -> np.ndarray:
    """Choose the instants that keep their labels.

    Of every person's instants the same share is drawn at random, so that smaller fractions with the
    same seed are subsets of larger ones and no person is forgotten by chance.

    Args:
        subjects: (N,) the person of every instant.
        keep_subjects: People with labels; None = all.
        fraction: Share of these people's instants that keep their labels, in [0, 1]; above 0 at
            least one instant is kept.
        seed: Seed of the draw.
        available: (N,) bool, the instants that have labels; only they are drawn from, and the
            fraction is of them. None = all.

    Returns:
        (N,) bool.

    Raises:
        ValueError: If the fraction is out of range, ``keep_subjects`` are no names, or a person
            is not in the data set.
    """
    if not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
        raise ValueError(f"`fraction` of labelled frames must be in [0, 1], got {fraction!r}.")
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"`seed` of the labelled frames must be a whole number, got {seed!r}.")
    present = np.unique(subjects)
    wanted = present if keep_subjects is None else np.unique(_as_list(keep_subjects))
    missing = sorted(set(wanted.tolist()) - set(present.tolist()))
    if missing:
        raise ValueError(
            f"No person named {', '.join(missing)} to take labels from; the split has "
            f"{', '.join(present.tolist())}. Change `labelled.subjects`."
        )
    named = np.isin(subjects, wanted)
    candidates = np.flatnonzero(named if available is None else named & available)
    if fraction == 0 or len(candidates) == 0:
        return np.zeros(len(subjects), dtype=bool)
    # Every person's instants in random order; the rank within the person, as a share of the
    # person's instants, then a random tie-break: the lowest shares are taken first.
    order = np.random.default_rng(seed).permutation(candidates)
    order = order[np.argsort(subjects[order], kind="stable")]
    _, first, sizes = np.unique(subjects[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, sizes)
    share = (rank + np.random.default_rng([seed, 1]).random(len(order))) / np.repeat(sizes, sizes)
    count = max(1, round(fraction * len(candidates)))
    chosen = np.zeros(len(subjects), dtype=bool)
    chosen[order[np.argsort(share, kind="stable")[:count]]] = True
    return chosen


def _as_list(names: str | Sequence[str]) -> list[str]:
    if isinstance(names, str):
        return [names]
    if not isinstance(names, Sequence | np.ndarray | set):
        raise ValueError(
            "`labelled.subjects` must be a list of people's names, such as ['S1', 'S5'], or None "
            f"for all; got {names!r}."
        )
    return [str(name) for name in names]
