"""What the checks report, and what they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from part_synth.datasets.frame_index import FrameIndex


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: Name of the check that found it.
        message: What is wrong and what to do, in one or two sentences.
    """

    check: str
    message: str


def examples(index: FrameIndex, frames: np.ndarray, count: int = 3) -> str:
    """Count and first names of some frames."""
    names = ", ".join(index.image_names[i].decode() for i in frames[:count])
    more = ", ..." if len(frames) > count else ""
    return f"{len(frames)} of {len(index)} frames ({names}{more})"


def has_joints(index: FrameIndex) -> np.ndarray:
    """(N,) bool, frames whose 3D joints are annotated and finite."""
    annotated = (index.joints_visible > 0).any(axis=1) | (index.joints != 0).any(axis=(1, 2))
    return annotated & np.isfinite(index.joints).all(axis=(1, 2))
