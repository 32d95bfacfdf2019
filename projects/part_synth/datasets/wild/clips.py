"""Cut what the tracker found into clips of one person each.

Symbols: N boxes of people over all frames of one video.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tracks:
    """Boxes of the people of one video, in the order of its frames.

    Attributes:
        place: (N,) int64, place of the frame among the sampled ones.
        time: (N,) float64, seconds.
        ids: (N,) int64 person; -1 where the tracker did not say.
        boxes: (N, 4) left, top, right, bottom, px.
        keypoints: (N, 17, 3) px and score, Human3.6M's order, NaN where unknown.
    """

    place: np.ndarray
    time: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True)
class ClipRules:
    """Which clips are kept.

    Attributes:
        min_length: Seconds that a clip lasts at least.
        min_size: Px that the larger side of a person's box has at least.
        max_gap: Seconds from one frame of a clip to the next, at most.
        min_inside: Share of a box that lies inside of the picture at least.
    """

    min_length: float = 1.0
    min_size: float = 64.0
    max_gap: float = 0.5
    min_inside: float = 0.6

    def __post_init__(self):
        good = all(np.isfinite(v) and v >= 0 for v in (self.min_length, self.min_size))
        if not (good and np.isfinite(self.max_gap) and self.max_gap > 0):
            raise ValueError(
                "min_length (s) and min_size (px) must be at least 0 and max_gap (s) positive, got "
                f"{self.min_length}, {self.min_size}, {self.max_gap}."
            )
        if not 0 <= self.min_inside <= 1:
            raise ValueError(f"min_inside must lie in [0, 1], got {self.min_inside}.")


@dataclass
class Clips:
    """The clips of one video.

    Attributes:
        rows: (n,) rows of the tracks that were kept, by person and time.
        person: (n,) int64, people counted from 0.
        clip: (n,) int64, clips of each person counted from 0.
        dropped: Reason -> number of boxes.
    """

    rows: np.ndarray
    person: np.ndarray
    clip: np.ndarray
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of clips."""
        return len(set(zip(self.person.tolist(), self.clip.tolist(), strict=True)))


def cut_clips(tracks: Tracks, rules: ClipRules, size: tuple[int, int]) -> Clips:
    """Cut tracks into clips, and say why the rest was dropped.

    Args:
        tracks: What the tracker found.
        rules: What to keep.
        size: (width, height) of the frames, px.

    Returns:
        Clips: Those that are kept.
    """
    sides = tracks.boxes[:, 2:] - tracks.boxes[:, :2]
    inside = np.clip(tracks.boxes, 0, np.tile(size, 2))
    inside = (inside[:, 2:] - inside[:, :2]).prod(1) / np.maximum(sides.prod(1), 1e-6)
    verdict = np.full(len(tracks), "", dtype=object)
    for reason, bad in (
        ("not followed by the tracker", tracks.ids < 0),
        (f"smaller than {rules.min_size:g} px", sides.max(1, initial=0) < rules.min_size),
        ("mostly outside of the picture", inside < rules.min_inside),
    ):
        verdict[(verdict == "") & bad] = reason
    good = np.flatnonzero(verdict == "")
    order = good[np.lexsort((tracks.time[good], tracks.ids[good]))]
    ids, time = tracks.ids[order], tracks.time[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (np.diff(ids) != 0) | (np.diff(time) > rules.max_gap)
    run = np.cumsum(starts) - 1
    keep = np.zeros(len(order), dtype=bool)
    for first, last in _spans(starts):
        # As long as it is shown, not from its first frame to its last.
        step = (time[last] - time[first]) / max(last - first, 1)
        keep[first : last + 1] = time[last] - time[first] + step >= rules.min_length
    verdict[order[~keep]] = f"seen for less than {rules.min_length:g} s"
    order, ids, run = order[keep], ids[keep], run[keep]
    person = np.unique(ids, return_inverse=True)[1].reshape(-1)
    runs, clip = np.unique(run, return_inverse=True)
    first_of_person = np.full(len(np.unique(ids)), len(runs))
    np.minimum.at(first_of_person, person, clip.reshape(-1))
    reasons = [reason for reason in verdict.tolist() if reason]
    counts = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    return Clips(order, person, clip.reshape(-1) - first_of_person[person], counts)


def _spans(starts: np.ndarray) -> list[tuple[int, int]]:
    """First and last place of every run."""
    first = np.flatnonzero(starts)
    last = np.append(first, len(starts))[1:] - 1
    return list(zip(first.tolist(), last.tolist(), strict=True))
