"""The same instant seen by several cameras."""

from __future__ import annotations

import numpy as np

from part_synth.datasets.frame_datasets import FrameDataset
from part_synth.registry import DATASETS


@DATASETS.register_module()
class MultiViewDataset(FrameDataset):
    """V views of one instant: frames of one person and clip with the same number.

    Args:
        data_root (str): Folder of the data set.
        num_views (int): V. Instants that fewer cameras saw are left out; of more cameras V are
            drawn at random, in random order (``test_mode``: the first V in the order of names).
        **kwargs: See :class:`~part_synth.datasets.frame_datasets.FrameDataset`; ``frame_step``
            counts instants of a clip here.

    Raises:
        ValueError: If no instant was seen by so many cameras.
    """

    def __init__(self, data_root: str, num_views: int = 2, **kwargs) -> None:
        if num_views < 2:
            raise ValueError(f"`num_views` must be at least 2, got {num_views}.")
        self.num_views = num_views
        super().__init__(data_root, **kwargs)

    def sample_starts(self) -> np.ndarray:
        """Instants (groups of frames) with enough views."""
        self._instants = self.index.group_by("subject", "clip", "frame")
        sizes = self._instants.sizes
        seen = np.flatnonzero(sizes >= self.num_views)
        if len(seen) == 0:
            raise ValueError(
                f"No instant of {self.data_root} was seen by {self.num_views} cameras; the most "
                f"is {sizes.max(initial=0)}. Lower `num_views`, or keep more `cameras`."
            )
        first = self._instants.order[self._instants.offsets[seen]]
        clip = self.index.column("subject")[first].astype(object) + "/"
        clip = (clip + self.index.column("clip")[first]).astype(str)
        new = np.concatenate([[True], clip[1:] != clip[:-1]])
        begin = np.maximum.accumulate(np.where(new, np.arange(len(seen)), 0))
        return seen[(np.arange(len(seen)) - begin) % self.frame_step == 0]

    def choose_frames(self, start: int, rng: np.random.Generator) -> np.ndarray:
        """V of the frames of one instant."""
        frames = self._instants[start]
        if self.test_mode:
            return frames[: self.num_views]
        return rng.permutation(frames)[: self.num_views]
