"""Whether the cameras of a set are in step, told from the embedding."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from mmengine.logging import print_log

from part_synth.evaluation.embedded_frames import EmbeddedFrames, EmbeddingMetric
from part_synth.registry import METRICS
from part_synth.retrieval.view_offset import estimate_view_offset


@dataclass
class PairOffset:
    """What two cameras' clips say together.

    Attributes:
        cameras: Names of the two.
        offset: Seconds by which the second lags, median over clips.
        contrast: Depth of the minimum in [0, 1], median over clips; near 0 the offset is a guess.
        interval: Seconds from frame to frame.
        clips: Number of clips.
        at_limit: Whether in most clips the largest shift fitted best.
    """

    cameras: tuple[str, str]
    offset: float
    contrast: float
    interval: float
    clips: int
    at_limit: bool

    def explain(self) -> str:
        """What is wrong and what to change, in a few sentences."""
        first, second = self.cameras if self.offset > 0 else self.cameras[::-1]
        lag, frames = abs(self.offset), round(abs(self.offset) / self.interval)
        text = (
            f"Cameras {first!r} and {second!r} seem out of step: {second!r} shows {lag:.3f} s "
            f"later ({frames} frames) what {first!r} shows (median of {self.clips} clips, contrast "
            f"{100 * self.contrast:.0f} %). If so, set camera_offsets={{{second!r}: {lag:.3f}}} of "
            f"the data sets (or take {frames} from its frame numbers) and train again: frames that "
            "count as one instant show different poses now. Where one camera is in every pair that "
            "is named, it is the one that is off. An embedding that was trained on other, "
            "synchronised views tells best."
        )
        if self.at_limit:
            text += " The largest shift that was tried fits best: raise max_offset."
        return text


def view_offsets(
    frames: EmbeddedFrames, max_offset: float = 0.8, min_frames: int = 8
) -> list[PairOffset]:
    """Offsets of all pairs of cameras that share clips.

    Args:
        frames: The test set; poses are not used.
        max_offset: Largest shift in seconds, either way.
        min_frames: Frames that two views must share at every shift; shorter clips are left out.

    Returns:
        One entry for each pair of cameras with a clip that is long enough. Pairs of which no clip
        could be compared are warned of: a view whose frames are late shares fewer with the others.

    Raises:
        ValueError: No clip has two views, or none is long enough.
    """
    found: dict[tuple[str, str], list] = {}
    failed: dict[tuple[str, str], str] = {}
    problem = "no clip is seen by two cameras. Test on several cameras of one scene"
    clip, camera = frames.codes("subject", "clip"), frames.codes("camera")
    names = np.unique(frames.camera)
    order = np.lexsort([frames.time, camera, clip])
    ends = np.flatnonzero(np.diff(clip[order])) + 1
    for rows in np.split(order, ends):
        views = np.split(rows, np.flatnonzero(np.diff(camera[rows])) + 1)
        for a, b in combinations(views, 2):
            pair = (str(names[camera[a[0]]]), str(names[camera[b[0]]]))
            try:
                estimate = estimate_view_offset(
                    frames.embeddings[a],
                    frames.time[a],
                    frames.embeddings[b],
                    frames.time[b],
                    max_offset,
                    min_frames,
                )
            except ValueError as error:
                problem = f"of no clip two views can be compared: {error}"
                failed[pair] = str(error)
                continue
            found.setdefault(pair, []).append(estimate)
    if not found:
        raise ValueError(f"Offsets between views can't be told: {problem}")
    missing = [pair for pair in failed if pair not in found]
    if missing:
        named = ", ".join(" and ".join(pair) for pair in missing)
        _warn(
            f"Whether these cameras are in step can't be told: {named}. {failed[missing[0]]} They "
            "may be far out of step."
        )
    return [_of_pair(pair, estimates) for pair, estimates in found.items()]


def _of_pair(pair: tuple[str, str], estimates: list) -> PairOffset:
    return PairOffset(
        cameras=pair,
        offset=float(np.median([e.offset for e in estimates])),
        contrast=float(np.median([e.contrast for e in estimates])),
        interval=float(np.median([e.interval for e in estimates])),
        clips=len(estimates),
        at_limit=float(np.mean([e.at_limit for e in estimates])) > 0.5,
    )


@METRICS.register_module()
class ViewSyncMetric(EmbeddingMetric):
    """Estimates how far cameras are out of step, and warns of more than one frame.

    Offsets are estimated for every clip and pair of its cameras, see
    :func:`~part_synth.retrieval.view_offset.estimate_view_offset`; the median over clips counts.

    Keys: ``view_offset_max_s``, the largest of all pairs of cameras without its sign, NaN where
    the embedding can tell it for no pair, and ``view_offset_contrast_pct``, the depth of the
    minimum of the pair with the flattest one.

    Args:
        max_offset: Largest shift that is tried, seconds.
        min_frames: Frames that two views must share at every shift; shorter clips are left out.
        min_contrast: Pairs with a contrast below are not judged, in [0, 1]. On the embedded set
            networks of no or a few steps reached 0.02 to 0.14 and their offsets were noise; trained
            ones 0.25 to 0.4.
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.
    """

    def __init__(
        self,
        max_offset: float = 0.8,
        min_frames: int = 8,
        min_contrast: float = 0.2,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix=prefix, collect_dir=collect_dir)
        self.max_offset = max_offset
        self.min_frames = min_frames
        self.min_contrast = min_contrast

    def measure(self, frames: EmbeddedFrames) -> dict[str, float]:
        """The largest offset.

        Args:
            frames: The test set.

        Returns:
            ``view_offset_max_s`` and ``view_offset_contrast_pct``; NaN, with a warning, where no
            clip has two views that are long enough.
        """
        unknown = dict.fromkeys(("view_offset_max_s", "view_offset_contrast_pct"), float("nan"))
        if not np.isfinite(frames.embeddings).all():
            return unknown
        try:
            pairs = view_offsets(frames, self.max_offset, self.min_frames)
        except ValueError as error:
            # A test set that can't tell is no reason to lose the other metrics of a run.
            _warn(f"ViewSyncMetric: {error}")
            return unknown
        clear = [pair for pair in pairs if pair.contrast >= self.min_contrast]
        if len(clear) < len(pairs):
            _warn(
                f"ViewSyncMetric: the embedding can't tell whether {len(pairs) - len(clear)} of "
                f"{len(pairs)} pairs of cameras are in step (contrast below "
                f"{100 * self.min_contrast:.0f} %); train it first."
            )
        for pair in clear:
            # The estimate itself is good to a part of a frame.
            if abs(pair.offset) > 1.01 * pair.interval:
                _warn(pair.explain())
        if len(clear) < len(pairs) or not clear:
            # A pair that nobody could judge is no good news.
            return {**unknown, "view_offset_contrast_pct": 100.0 * min(p.contrast for p in pairs)}
        return {
            "view_offset_max_s": max((abs(pair.offset) for pair in clear), default=float("nan")),
            "view_offset_contrast_pct": 100.0 * min(pair.contrast for pair in pairs),
        }


def _warn(text: str) -> None:
    print_log(text, logger="current", level=logging.WARNING)
