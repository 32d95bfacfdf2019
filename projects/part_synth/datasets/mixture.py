"""Several data sets in one training: each keeps its share of every batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from mmengine.dist import sync_random_seed
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
class MixtureSampler(Sampler):
    """Indices of a :class:`MixtureDataset` such that every batch holds so many of each source.

    Every source is shuffled and gone through on its own, as often as it takes.

    Args:
        dataset (MixtureDataset): The mixture.
        counts (Mapping[str, int]): Samples of each source in a batch; their sum must be the
            loader's ``batch_size``.
        batches (int): Batches of an epoch, of one process.
        seed (int | None): Seed of the order, equal on all ranks. None = drawn and shared.

    Raises:
        ValueError: If the counts do not name all sources, or are below 1.
    """

    def __init__(
        self,
        dataset: MixtureDataset,
        counts: Mapping[str, int],
        batches: int,
        seed: int | None = None,
    ) -> None:
        if set(counts) != set(dataset.sources) or min(counts.values()) < 1 or batches < 1:
            raise ValueError(
                "`counts` must give a number from 1 for each of the sources "
                f"{', '.join(dataset.sources)}, and `batches` be at least 1; got {dict(counts)} "
                f"and {batches}."
            )
        seed = sync_random_seed() if seed is None else int(seed)
        self.counts = [int(counts[name]) for name in dataset.sources]
        self.batches = batches
        self._samplers = []
        for number, (part, count) in enumerate(zip(dataset.datasets, self.counts, strict=True)):
            sampler = EpochSeededSampler(part, seed=seed + number)
            sampler.samples_per_epoch = count * batches * sampler.world_size
            self._samplers.append(sampler)

    @property
    def batch_size(self) -> int:
        """Samples of a batch."""
        return sum(self.counts)

    def __iter__(self) -> Iterator[int]:
        """This rank's indices of the current epoch, batch after batch."""
        columns = []
        for number, (sampler, count) in enumerate(zip(self._samplers, self.counts, strict=True)):
            drawn = np.fromiter(iter(sampler), dtype=np.int64).reshape(self.batches, count)
            columns.append(drawn * len(self._samplers) + number)
        return iter(np.concatenate(columns, axis=1).ravel().tolist())

    def __len__(self) -> int:
        """Number of samples of this rank and epoch."""
        return self.batch_size * self.batches

    def set_epoch(self, epoch: int) -> None:
        """Called by mmengine before every epoch.

        Args:
            epoch (int): Epochs finished so far.
        """
        for sampler in self._samplers:
            sampler.set_epoch(epoch)
