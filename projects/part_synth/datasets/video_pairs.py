"""Several frames of one person and one camera, some time apart."""

from __future__ import annotations

import numpy as np

from part_synth.datasets.frame_datasets import FrameDataset
from part_synth.registry import DATASETS

# Seconds; times are quotients of a frame number and a rate, so equal gaps may differ by rounding.
_ROUNDING = 1e-6


@DATASETS.register_module()
class VideoPairDataset(FrameDataset):
    """F frames of one person, one clip and one camera, every two at least ``min_gap`` apart.

    Every frame with enough company is the first frame of one sample; the others are drawn at
    random. There is no 3D or 2D label in the choice: only names, frame numbers and frame rates.

    Args:
        data_root (str): Folder of the data set.
        num_frames (int): F.
        min_gap (float): Seconds between any two frames of a sample. With too short a gap both
            frames show the same pose and there is nothing to learn from their difference.
        same_clip (bool): False draws the frames from all clips of the person and camera; frames of
            different clips are always far enough apart.
        **kwargs: See :class:`~part_synth.datasets.frame_datasets.FrameDataset`.

    Raises:
        ValueError: If no clip is long enough, or an argument is out of its range.
    """

    def __init__(
        self,
        data_root: str,
        num_frames: int = 2,
        min_gap: float = 0.3,
        same_clip: bool = True,
        **kwargs,
    ) -> None:
        if num_frames < 2 or min_gap < 0:
            raise ValueError(
                "`num_frames` must be at least 2 and `min_gap` at least 0 seconds, got "
                f"{num_frames} and {min_gap}."
            )
        self.num_frames = num_frames
        self.min_gap = min_gap
        self.same_clip = same_clip
        super().__init__(data_root, **kwargs)

    def sample_starts(self) -> np.ndarray:
        """Frames that have F - 1 others of their track far enough from them and each other."""
        keys = ("subject", "clip", "camera") if self.same_clip else ("subject", "camera")
        self._tracks = self.index.group_by(*keys)
        self._clock = self._track_clock()
        self._place = np.empty(len(self.index), dtype=np.int64)
        self._place[self._tracks.order] = np.arange(len(self.index))
        self._track_of = self._tracks.group_of
        starts = self.every_step()
        starts = starts[self._room()[self._place[starts]] >= self.num_frames]
        if len(starts) == 0:
            raise ValueError(
                f"No clip of {self.data_root} has {self.num_frames} frames at least {self.min_gap} "
                "seconds apart: every clip is empty or too short. Lower `min_gap` or `num_frames`, "
                "set `same_clip=False`, or check the frame rate (`fps`)."
            )
        return starts

    def choose_frames(self, start: int, rng: np.random.Generator) -> np.ndarray:
        """The start and F - 1 random frames of its track."""
        track = self._track_of[start]
        first, last = self._tracks.offsets[track], self._tracks.offsets[track + 1]
        clock = self._clock[first:last]
        place = int(self._place[start] - first)
        # A free draw can leave no room for the last frames of a short clip; try again, and in the
        # end place them as close as the gap allows, for which there is room.
        for _ in range(16):
            chosen = self._draw_freely(clock, place, rng)
            if chosen is not None:
                break
        else:
            chosen = self._draw_tightly(clock, place, rng)
        return self._tracks.order[first + np.array(chosen)]

    def _draw_freely(
        self, clock: np.ndarray, place: int, rng: np.random.Generator
    ) -> list[int] | None:
        """Draw one frame after the other among those far enough from all before."""
        chosen = [place]
        far = np.abs(clock - clock[place]) >= self.min_gap - _ROUNDING
        far[place] = False
        for _ in range(self.num_frames - 1):
            candidates = np.flatnonzero(far)
            if len(candidates) == 0:
                return None
            chosen.append(int(candidates[rng.integers(len(candidates))]))
            far &= np.abs(clock - clock[chosen[-1]]) >= self.min_gap - _ROUNDING
            far[chosen[-1]] = False
        return chosen

    def _draw_tightly(self, clock: np.ndarray, place: int, rng: np.random.Generator) -> list[int]:
        """Draw among the frames met by walking away from the start in the shortest steps."""
        grid = []
        step = max(self.min_gap, _ROUNDING * 2)
        for direction in (1, -1):
            current = place
            for _ in range(self.num_frames - 1):
                if direction > 0:
                    current = int(np.searchsorted(clock, clock[current] + step - _ROUNDING))
                else:
                    edge = clock[current] - step + _ROUNDING
                    current = int(np.searchsorted(clock, edge, side="right")) - 1
                if not 0 <= current < len(clock):
                    break
                grid.append(current)
        others = rng.choice(len(grid), self.num_frames - 1, replace=False)
        return [place, *(grid[i] for i in others)]

    def _track_clock(self) -> np.ndarray:
        """(N,) float64 seconds in track order, increasing along every track.

        The clips of one track follow each other with pauses of ``min_gap``, so that the distance
        on this clock tells at once whether two frames go together. Every track begins far after
        the one before.
        """
        order = self._tracks.order
        time = self.index.time[order]
        clip = self.index.sequence_id[order]
        step = np.diff(time, prepend=time[:1])
        step[1:][clip[1:] != clip[:-1]] = self.min_gap + 2 * _ROUNDING
        return np.cumsum(step)

    def _room(self) -> np.ndarray:
        """(N,) how many frames, itself included, fit around each frame; counted up to F."""
        count = len(self._clock)
        lowest = np.repeat(self._tracks.offsets[:-1], self._tracks.sizes)
        highest = np.repeat(self._tracks.offsets[1:], self._tracks.sizes)
        # Tracks are kept apart by their bounds, so the one clock needs to increase overall.
        step = max(self.min_gap, _ROUNDING * 2)
        later = np.searchsorted(self._clock, self._clock + step - _ROUNDING)
        earlier = np.searchsorted(self._clock, self._clock - step + _ROUNDING, side="right") - 1
        room = np.ones(count, dtype=np.int64)
        for jump in (later, earlier):
            current = np.arange(count)
            inside = np.ones(count, dtype=bool)
            for _ in range(self.num_frames - 1):
                current = jump[np.clip(current, 0, count - 1)]
                inside &= (current >= lowest) & (current < highest)
                room += inside
        return room
