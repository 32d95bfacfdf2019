"""Batches for metric learning: several instants of one person, and a share of labelled ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from part_synth.datasets.sampler import EpochSeededSampler
from part_synth.registry import DATA_SAMPLERS

# Times are quotients of frame numbers and rates: gaps may differ by rounding.
_ROUNDING = 1e-6


@DATA_SAMPLERS.register_module()
class MultiViewBatchSampler(Sampler):
    """Batches of G groups of instants that are negatives of each other, and L labelled instants.

    Promises, for every batch of every epoch and rank:

    - ``groups`` different groups, each of ``(batch_size - labelled) / groups`` different instants
      of one person (``scope='clip'``: of one clip), any two of the same clip at least ``min_gap``
      seconds apart;
    - after them ``labelled`` instants with labels, of anybody; no two equal as long as there are
      enough.

    A batch is a function of (seed, epoch, number of the batch in the epoch over all ranks) alone.

    Args:
        sampler (EpochSeededSampler): Says data set, seed, epoch and rank, and by its
            ``samples_per_epoch`` how many instants, over all ranks, make an epoch.
        batch_size (int): Instants of a batch.
        groups (int): G; 0 = labelled instants only.
        labelled (int): L.
        min_gap (float): Seconds.
        scope (str): 'person' or 'clip': what a group is drawn from.

    Raises:
        ValueError: If the sizes don't fit, the data set has no such instants, or it has no labels
            and ``labelled`` is above 0.
    """

    def __init__(
        self,
        sampler: EpochSeededSampler,
        batch_size: int,
        groups: int = 2,
        labelled: int = 4,
        min_gap: float = 0.3,
        scope: str = "person",
    ) -> None:
        for name in ("dataset", "seed", "rank", "world_size", "samples_per_epoch"):
            if not hasattr(sampler, name):
                raise ValueError(
                    "MultiViewBatchSampler needs sampler=dict(type='part_synth.EpochSeededSampler')"
                    f", got {type(sampler).__name__}."
                )
        if not hasattr(sampler.dataset, "instants"):
            raise ValueError(
                "MultiViewBatchSampler needs a part_synth.MultiViewDataset, got "
                f"{type(sampler.dataset).__name__}."
            )
        if min_gap < 0:
            raise ValueError(f"`min_gap` must be at least 0 seconds, got {min_gap}.")
        rest = batch_size - labelled
        if groups < 0 or labelled < 0 or rest < 0 or (groups == 0) != (rest == 0):
            raise ValueError(
                f"A batch of {batch_size} instants can't be {labelled} labelled ones and {groups} "
                "groups; batch_size - labelled must be shared out among the groups."
            )
        if groups and (rest % groups or rest // groups < 2):
            raise ValueError(
                f"The {rest} instants of a batch of {batch_size} that are not among the {labelled} "
                f"labelled ones can't be shared out to {groups} groups of at least 2. Change "
                "batch_size, labelled or groups."
            )
        if scope not in ("person", "clip"):
            raise ValueError(f"`scope` of the groups is 'person' or 'clip', got {scope!r}.")
        self.sampler = sampler
        self.batch_size = batch_size
        self.num_groups = groups
        self.num_labelled = labelled
        self.group_size = rest // groups if groups else 0
        self.min_gap = min_gap
        self.scope = scope
        self._labelled = np.flatnonzero(sampler.dataset.instants["labelled"])
        if labelled and len(self._labelled) == 0:
            raise ValueError(
                "No instant of the training set has labels, but a batch is to hold "
                f"{labelled} labelled ones. Raise `labelled.fraction` of the data set, name "
                "subjects that have labels, or set labelled=0 of the batch sampler."
            )
        self._clock, self._members = self._make_groups(sampler.dataset.instants)

    def _make_groups(self, instants: dict) -> tuple[np.ndarray, list[np.ndarray]]:
        """A clock that tells at once whether two instants go together, and the groups.

        On the clock the clips of a person follow each other with pauses longer than ``min_gap``.
        """
        subject = np.unique(instants["subject"], return_inverse=True)[1]
        clip = np.unique(instants["clip"], return_inverse=True)[1]
        order = np.lexsort([instants["time"], clip, subject])
        track = subject * (clip.max(initial=0) + 1) + clip
        step = np.diff(instants["time"][order], prepend=0.0)
        new_clip = np.diff(track[order], prepend=-1) != 0
        step[new_clip] = self.min_gap + 1.0
        clock = np.empty(len(order))
        clock[order] = np.cumsum(step)
        if not self.num_groups:
            return clock, []
        key = (track if self.scope == "clip" else subject)[order]
        members = np.split(order, np.flatnonzero(np.diff(key)) + 1)
        enough = [m for m in members if len(_thin_out(clock[m], self.min_gap)) >= self.group_size]
        if len(enough) < self.num_groups:
            raise ValueError(
                f"{self.num_groups} groups of {self.group_size} instants at least {self.min_gap} s "
                f"apart are wanted in a batch, but only {len(enough)} of {len(members)} "
                f"{'clips' if self.scope == 'clip' else 'people'} have so many. Lower "
                "`batch_size` or `min_gap`, raise `groups`, or set scope='person'."
            )
        return clock, enough

    def __len__(self) -> int:
        """Batches of this rank and epoch; the same on all ranks, which wait for each other."""
        share = math.ceil(self.sampler.samples_per_epoch / self.sampler.world_size)
        return max(1, share // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """This rank's batches of the current epoch, as virtual indices."""
        sampler = self.sampler
        for number in range(len(self)):
            place = number * sampler.world_size + sampler.rank
            rng = np.random.default_rng([sampler.seed, sampler.epoch, place])
            batch = self.draw(rng) + sampler.epoch * len(sampler.dataset)
            yield batch.tolist()

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One batch.

        Args:
            rng: Source of all random choices.

        Returns:
            (batch_size,) int64, places in the data set: group after group, then the labelled ones.
        """
        chosen = rng.choice(len(self._members), self.num_groups, replace=False)
        parts = [self._draw_group(self._members[number], rng) for number in chosen]
        if self.num_labelled:
            again = len(self._labelled) < self.num_labelled
            parts.append(rng.choice(self._labelled, self.num_labelled, replace=again))
        return np.concatenate(parts)

    def _draw_group(self, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Instants of one group, far enough apart."""
        clock = self._clock[members]
        # A free draw can leave no room for the last ones of a short clip; after a few attempts
        # they are drawn from the most places that there can be.
        for _ in range(8):
            free, chosen = np.ones(len(members), dtype=bool), []
            while len(chosen) < self.group_size and free.any():
                candidates = np.flatnonzero(free)
                chosen.append(int(candidates[rng.integers(len(candidates))]))
                free &= np.abs(clock - clock[chosen[-1]]) >= self.min_gap - _ROUNDING
                free[chosen[-1]] = False
            if len(chosen) == self.group_size:
                return members[chosen]
        thinned = _thin_out(clock, self.min_gap)
        return members[rng.permutation(thinned)[: self.group_size]]


def _thin_out(clock: np.ndarray, gap: float) -> list[int]:
    """The most places of an increasing clock that are at least a gap apart: always the next one."""
    chosen, place = [], 0
    while place < len(clock):
        chosen.append(place)
        ahead = clock[place] + max(gap, 2 * _ROUNDING) - _ROUNDING
        place = int(np.searchsorted(clock, ahead))
    return chosen
