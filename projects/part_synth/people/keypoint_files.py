"""2D joints of files, in the order of the frames.

Symbols: N people in frames, L joints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from part_synth.apis import KeypointTracks, read_keypoints
from part_synth.geometry.keypoint_layouts import keypoint_layout, layouts_of_size


def keypoints_by_frame(
    keypoints: str | Path | KeypointTracks, skeleton: str | None
) -> KeypointTracks:
    """Everybody's 2D joints, sorted by frame, with a layout that is known.

    Args:
        keypoints: File or folder for :func:`~part_synth.apis.read_keypoints`, or what it gave.
        skeleton: Layout of the joints; None = the one that the file has.

    Returns:
        KeypointTracks: Without the rows of frames that have nobody, but with ``num_frames``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or its layout is not known.
    """
    tracks = keypoints
    if not isinstance(tracks, KeypointTracks):
        tracks = read_keypoints(keypoints, person="all")
    layout = skeleton or tracks.layout
    if layout is None:
        number = tracks.keypoints.shape[1]
        known = ", ".join(layouts_of_size(number)) or "none that is known"
        # The same words as of lifting without pictures.
        raise ValueError(
            f"The file does not tell the layout of its {number} joints; give skeleton=... "
            f"(--skeleton), one of: {known}."
        )
    num_frames = tracks.num_frames
    if num_frames is None:
        num_frames = int(tracks.frames.max(initial=-1)) + 1
    order = np.argsort(tracks.frames, kind="stable")
    # Frames with nobody have a row of NaN in some files.
    order = order[np.isfinite(tracks.keypoints[order]).all(-1).any(-1)]
    return KeypointTracks(
        tracks.keypoints[order],
        tracks.scores[order],
        tracks.frames[order],
        tracks.person_ids[order],
        keypoint_layout(layout).name,
        skeleton is not None or tracks.layout_said,
        list(tracks.assumptions),
        tracks.tracked,
        num_frames,
    )
