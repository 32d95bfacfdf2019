"""A sampler that tells the data set which epoch it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from part_synth.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class EpochSeededSampler(Sampler):
    """Yields virtual indices ``epoch * len(dataset) + i``.

    Frame data sets seed the random choices of a sample with (seed, epoch, i), so crops differ from
    epoch to epoch, depend on no worker's state, and a run resumed at an epoch boundary sees the
    very batches of an unbroken one. The order depends on (seed, epoch) alone and is shared out
    among the ranks.

    Args:
        dataset (Sized): Data set that understands virtual indices.
        shuffle (bool): Shuffle every epoch anew.
        seed (int | None): Seed of the order, equal on all ranks. None = drawn and shared.
        round_up (bool): Repeat samples so that all ranks get equally many.
        samples_per_epoch (int | None): Length of an epoch over all ranks, where a pass over the
            data is too long or too short to validate after; every epoch draws its own. None = all.

    Raises:
        ValueError: If the data set is empty, or ``samples_per_epoch`` is below 1.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
        samples_per_epoch: int | None = None,
    ) -> None:
        if len(dataset) == 0:
            raise ValueError("The data set has no sample to draw.")
        if samples_per_epoch is not None and samples_per_epoch < 1:
            raise ValueError(f"`samples_per_epoch` must be at least 1, got {samples_per_epoch}.")
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.round_up = round_up
        self.samples_per_epoch = samples_per_epoch or len(dataset)
        self.count = samples_per_epoch or len(dataset)
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        """This rank's virtual indices of the current epoch."""
        count, size = len(self.dataset), self.samples_per_epoch
        begin, end = self.epoch * size, (self.epoch + 1) * size
        passes = range(begin // count, (end - 1) // count + 1)
        order = np.concatenate([self._order(number) + number * count for number in passes])
        order = order[begin - passes[0] * count :][:size]
        if self.round_up:
            order = np.resize(order, math.ceil(size / self.world_size) * self.world_size)
        return iter(order[self.rank :: self.world_size].tolist())

    def _order(self, number: int) -> np.ndarray:
        """(len(dataset),) order of one pass over the data set."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([self.seed, number]).permutation(len(self.dataset))

    def __len__(self) -> int:
        """Number of samples of this rank and epoch."""
        spare = 0 if self.round_up else self.rank
        return math.ceil((self.samples_per_epoch - spare) / self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Called by mmengine before every epoch.

        Args:
            epoch (int): Epochs finished so far.
        """
        self.epoch = epoch
