"""From the rows of people to a sequence of 3D poses.

Symbols: N rows (a person in a frame), L joints of the 2D layout, K = 17 Human3.6M joints.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from part_synth.apis import KeypointTracks, lift
from part_synth.apis.lifting import camera_numbers
from part_synth.geometry import H36M17
from part_synth.geometry.keypoint_layouts import keypoint_layout
from part_synth.outputs import PoseSequence
from part_synth.people import track_boxes

from .collect import PeopleRows
from .motion import root_positions, smooth_poses
from .sources import Source


def identify(rows: PeopleRows, source: Source) -> PeopleRows:
    """Give each row the number of a person.

    In a video people are tracked by their boxes if they have no numbers yet; rows that are nobody's
    are dropped. In pictures people are counted from 0 in each.

    Args:
        rows: People of all frames.
        source: Where they are from.

    Returns:
        PeopleRows: With ``people.person_ids``.
    """
    people = rows.people
    if people.person_ids is not None:
        return rows
    if not source.is_video:
        starts = np.searchsorted(rows.frames, rows.frames)
        people.person_ids = np.arange(len(rows.frames)) - starts
        return rows
    if len(people) == 0:
        people.person_ids = np.zeros(0, dtype=np.int64)
        return rows
    ids = track_boxes(rows.frames, people.boxes, people.box_scores, rows.num_frames, source.fps)
    kept = ids >= 0
    for name in ("boxes", "box_scores", "keypoints", "scores", "joints"):
        values = getattr(people, name)
        setattr(people, name, None if values is None else values[kept])
    people.person_ids = ids[kept]
    rows.frames = rows.frames[kept]
    rows.notes.append("People are tracked by their boxes (ByteTrack).")
    return rows


def to_sequence(
    rows: PeopleRows,
    source: Source,
    model,
    camera: Mapping | None = None,
    smooth: float = 0.0,
    min_score: float = 0.3,
    device: str = "cpu",
) -> PoseSequence:
    """Lift everybody in all frames, in batches.

    Args:
        rows: People with numbers, see :func:`identify`.
        source: Where they are from.
        model: What :func:`~part_synth.apis.lift` takes; not used for rows that have 3D joints.
        camera: ``dict(focal=(fx, fy), centre=(cx, cy))``, px; gives positions of the root, too.
        smooth: Standard deviation of a Gaussian over time, seconds; 0 for none.
        min_score: 2D joints with lower scores are missing.
        device: Where a model that is loaded here runs.

    Returns:
        PoseSequence: Millimetres, camera frame, root at the origin.
    """
    people = rows.people
    count = len(people)
    joints = np.full((count, H36M17.num_joints, 3), np.nan, np.float32)
    keypoints = np.full((count, H36M17.num_joints, 2), np.nan, np.float32)
    filled = np.zeros((count, H36M17.num_joints), dtype=bool)
    notes = [*source.notes, *rows.notes]
    if people.joints is not None:
        joints, keypoints = people.joints.copy(), people.keypoints
        notes.append("The 3D joints are an image model's, of a person of mean build.")
    elif count:
        for part, size in _same_sizes(rows, source, camera):
            # Of pictures everybody is somebody else.
            ids = people.person_ids[part] if source.is_video else np.arange(len(part))
            poses = lift(
                KeypointTracks(
                    people.keypoints[part],
                    people.scores[part],
                    rows.frames[part],
                    ids,
                    rows.layout,
                    rows.layout_said,
                ),
                image_size=size,
                camera=camera,
                model=model,
                fps=source.fps,
                min_score=min_score,
                device=device,
            )
            joints[part], keypoints[part] = poses.joints, poses.keypoints
            filled[part] = poses.filled
            notes += [note for note in poses.assumptions if note not in notes]
    joints = joints * 1000.0
    smoothing = None
    if smooth and source.is_video:
        joints = smooth_poses(joints, people.person_ids, rows.frames, source.fps, smooth)
        smoothing = f"Gaussian over time, standard deviation {smooth:g} s"
    root = None
    if camera is not None:
        root = root_positions(joints, keypoints, *camera_numbers(camera))
        notes.append("Positions of the root are those of people of the assumed size.")
    weights = keypoint_layout(rows.layout).weights.numpy()
    scores = np.zeros((count, H36M17.num_joints), np.float32)
    if count:
        scores = np.where(filled, 0, np.nan_to_num(people.scores) @ weights.T).astype(np.float32)
    return PoseSequence(
        joints=joints,
        ok=np.isfinite(joints).all((1, 2)),
        keypoints=keypoints,
        scores=scores,
        boxes=people.boxes,
        box_scores=people.box_scores,
        person_ids=people.person_ids,
        frames=rows.frames,
        num_frames=rows.num_frames,
        fps=source.fps,
        image_size=rows.sizes[0] if len(set(rows.sizes)) == 1 else None,
        filled=filled,
        root=root,
        names=source.names[: rows.num_frames],
        source=source.origin,
        smoothing=smoothing,
        assumptions=notes,
        interrupted=rows.interrupted,
    )


def _same_sizes(rows: PeopleRows, source: Source, camera):
    """Rows of frames of the same size, and this size; all rows where a camera is given."""
    everybody = np.arange(len(rows.frames))
    if camera is not None or source.is_video:
        yield everybody, None if camera is not None else rows.sizes[0]
        return
    sizes = np.array(rows.sizes)[rows.frames]
    for size in np.unique(sizes, axis=0):
        yield np.flatnonzero((sizes == size).all(1)), tuple(int(v) for v in size)
