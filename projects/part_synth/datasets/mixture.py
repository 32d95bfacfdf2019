"""Several data sets in one training: each keeps its share of every batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from torch.utils.data import Dataset, Sampler

from part_synth.datasets.sampler import EpochSeededSampler
from part_synth.registry import DATA_SAMPLERS, DATASETS


@DATASETS.register_module()
class MixtureDataset(Dataset):
    """Frame data sets side by side: videos of several sources, or few labelled frames and many not.

    Samples of all sources must have equally many frames of one size. A source without backgrounds
    (its camera moves) may stand beside one with: its frames then are their own backgrounds, and the
    zero difference says, as everywhere in the package, that the background is not known.

    Index ``n * S + s`` is sample n of source s; n may be virtual (epoch * len + i).

    Args:
        datasets (Mapping[str, dict | Dataset]): Data sets, or their configs, by name of the source.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, datasets: Mapping[str, dict | Dataset]) -> None:
        if not isinstance(datasets, Mapping) or not datasets:
            raise ValueError(
                "`datasets` of a MixtureDataset must be a dict of data sets by name, not empty, "
                f"got {datasets!r}."
            )
        self.sources = tuple(datasets)
        self.datasets = [
            DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
            for dataset in datasets.values()
        ]

    @property
    def metainfo(self) -> dict:
        """Meta information of the first source."""
        return self.datasets[0].metainfo

    def full_init(self) -> None:
        """Read the annotations of all sources."""
        for dataset in self.datasets:
            dataset.full_init()

    def __len__(self) -> int:
        """Samples of all sources."""
        return sum(len(dataset) for dataset in self.datasets)

    def __getitem__(self, index: int) -> dict:
        """One sample; its meta information has the name of its ``source``."""
        number, source = divmod(int(index), len(self.datasets))
        sample = self.datasets[source][number]
        sample["data_samples"].set_metainfo({"source": self.sources[source]})
        return sample


@DATA_SAMPLERS.register_module()
class MixtureBatchSampler(Sampler):
    """Batches of a :class:`MixtureDataset` that hold so many samples of each source.

    Every source is shuffled and gone through on its own, as often as it takes.

    Args:
        sampler (EpochSeededSampler): Knows the mixture, the seed, the epoch and, as
            ``samples_per_epoch``, its length; its own order is not used.
        batch_size (int): Samples of a batch.
        counts (Mapping[str, int]): How many of them each source gives; they add up to the batch
            size.

    Raises:
        ValueError: If the counts do not name all sources, are below 1 or do not add up, or the
            sampler is of another kind.
    """

    def __init__(
        self,
        sampler: EpochSeededSampler,
        batch_size: int,
        counts: Mapping[str, int],
    ) -> None:
        dataset = getattr(sampler, "dataset", None)
        if not isinstance(sampler, EpochSeededSampler) or not isinstance(dataset, MixtureDataset):
            raise ValueError(
                "MixtureBatchSampler needs sampler=dict(type='part_synth.EpochSeededSampler') and "
                "a part_synth.MixtureDataset to draw from."
            )
        if (
            set(counts) != set(dataset.sources)
            or min(counts.values()) < 1
            or sum(counts.values()) != batch_size
        ):
            raise ValueError(
                "`counts` must give a number from 1 for each of the sources "
                f"{', '.join(dataset.sources)}, {batch_size} (the batch_size) in sum; got "
                f"{dict(counts)}."
            )
        self.sampler = sampler
        self.batch_size = batch_size
        share = math.ceil(sampler.samples_per_epoch / sampler.world_size)
        self.batches = max(1, share // batch_size)
        self._counts = [int(counts[name]) for name in dataset.sources]
        self._sources = [
            EpochSeededSampler(
                part,
                seed=sampler.seed + number,
                samples_per_epoch=count * self.batches * sampler.world_size,
            )
            for number, (part, count) in enumerate(zip(dataset.datasets, self._counts, strict=True))
        ]

    def __iter__(self) -> Iterator[list[int]]:
        """This rank's batches of the current epoch, as indices of the mixture."""
        columns = []
        for number, (source, count) in enumerate(zip(self._sources, self._counts, strict=True)):
            source.set_epoch(self.sampler.epoch)
            drawn = np.fromiter(iter(source), dtype=np.int64).reshape(self.batches, count)
            columns.append(drawn * len(self._sources) + number)
        return iter(np.concatenate(columns, axis=1).tolist())

    def __len__(self) -> int:
        """Batches of this rank and epoch."""
        return self.batches
