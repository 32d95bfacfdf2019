"""2D keypoints in, 3D poses out: one call for arrays and for the files of 2D detectors.

Symbols: N poses (a person in a frame), L joints of the keypoints' layout, K = 17 Human3.6M joints,
T frames that the model reads at once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from part_synth.apis.keypoint_files import KeypointTracks, count_within, read_keypoints
from part_synth.apis.zoo import frame_interval, load_lifter
from part_synth.datasets.frame_windows import frame_windows
from part_synth.geometry import H36M17, aim_points, far_camera
from part_synth.geometry.keypoint_layouts import keypoint_layout, layouts_of_size, to_h36m17

# Focal length over the larger side of the image where no camera is known: that of Human3.6M's
# cameras, 1145 px for 1000. The main camera of a phone (26 mm on 36 mm of film) has 0.72.
GUESSED_FOCAL = 1.15
_MIN_VISIBLE = 3
# px; what is larger is missing, as what is not finite is.
_INFINITE = 1e30
# px; pictures of people are larger, and so are focal lengths.
_LEAST_PIXELS = 10.0
# A joint farther from the middle of the others than so many times their typical distance is no
# joint of this person. A stretched arm has about 3.
_FAR_OUT = 12.0
# Joints closer together than this share of their coordinates are one point.
_ONE_POINT = 1e-6


@dataclass
class LiftedPoses:
    """3D poses.

    Attributes:
        joints: (N, 17, 3) float32, metres, camera frame (x right, y down, z forward), root at the
            origin; NaN where a pose could not be lifted. Size is not in 2D keypoints: the bones of
            every pose add up to the model's ``bones_total`` (3.9 m, an adult 1.7 m tall).
        ok: (N,) bool, whether a pose was lifted.
        filled: (N, 17) bool, joints that were missing and filled in.
        keypoints: (N, 17, 2) float32, px: the 2D joints that were lifted, filled ones included;
            NaN where a joint is missing.
        person_ids: (N,) int64.
        frames: (N,) int64.
        assumptions: What was taken for granted, and how much was filled in, in sentences.
        joint_names: Names of the joints, Human3.6M's order.
        parents: Index of each joint's parent, -1 for the root.
        units: Unit of ``joints``.
        frame: Frame of ``joints``.
    """

    joints: np.ndarray
    ok: np.ndarray
    filled: np.ndarray
    keypoints: np.ndarray
    person_ids: np.ndarray
    frames: np.ndarray
    assumptions: list[str] = field(default_factory=list)
    joint_names: tuple[str, ...] = H36M17.joint_names
    parents: tuple[int, ...] = H36M17.parents
    units: str = "metres"
    frame: str = "camera, root-relative"

    def __len__(self) -> int:
        return len(self.joints)

    def to_json(self, path: str | Path) -> None:
        """Write one JSON object: the attributes, and ``poses``, a list of an object for each pose.

        Joints are rounded to 0.01 mm, keypoints to 0.01 px. Missing numbers are null.

        Args:
            path: File; its folder is made.
        """
        joints = _rows(self.joints, 5)
        keypoints = _rows(self.keypoints, 2)
        poses = [
            {
                "person_id": int(self.person_ids[i]),
                "frame": int(self.frames[i]),
                "ok": bool(self.ok[i]),
                "joints": joints[i] if self.ok[i] else None,
                "keypoints": keypoints[i],
                "filled": [self.joint_names[k] for k in np.flatnonzero(self.filled[i])],
            }
            for i in range(len(self))
        ]
        content = {
            "units": self.units,
            "frame": self.frame,
            "axes": "x right, y down, z forward",
            "joint_names": list(self.joint_names),
            "parents": list(self.parents),
            "assumptions": self.assumptions,
            "poses": poses,
        }
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")

    def to_npz(self, path: str | Path) -> None:
        """Write a NumPy archive with the attributes; it is read without pickle.

        Args:
            path: File; its folder is made.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A handle, as NumPy adds .npz to names that lack it.
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                joints=self.joints,
                ok=self.ok,
                filled=self.filled,
                keypoints=self.keypoints,
                person_ids=self.person_ids,
                frames=self.frames,
                assumptions=np.array(self.assumptions, dtype=np.str_),
                joint_names=np.array(self.joint_names),
                parents=np.array(self.parents),
                units=np.array(self.units),
                frame=np.array(self.frame),
            )


def _rows(values: np.ndarray, digits: int) -> list:
    """Nested lists, None for what is not finite."""
    rounded = values.astype(np.float64).round(digits)
    if np.isfinite(rounded).all():
        return rounded.tolist()
    return np.where(np.isfinite(rounded), rounded, None).tolist()


@dataclass
class _Request:
    """Checked input of :func:`lift`."""

    keypoints: np.ndarray  # (N, L, 2) float64
    visible: np.ndarray  # (N, L) bool
    person_ids: np.ndarray
    frames: np.ndarray
    layout: str
    assumptions: list[str]


def lift(
    keypoints: np.ndarray | Sequence | str | Path | KeypointTracks,
    scores: np.ndarray | None = None,
    image_size: Sequence[int] | None = None,
    camera: Mapping | None = None,
    skeleton: str | None = None,
    model: nn.Module | tuple[str | Path, str | Path] | str | Path | None = None,
    person_ids: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
    fps: float | None = None,
    min_score: float = 0.3,
    max_gap: int = 5,
    batch_size: int = 4096,
    device: str = "cpu",
) -> LiftedPoses:
    """Lift 2D keypoints to 3D poses.

    Keypoints are brought to the 17 Human3.6M joints
    (:mod:`part_synth.geometry.keypoint_layouts`). Missing joints are filled in: between the frames
    of one person over at most ``max_gap`` frames, then by what the model expects of a pose with
    these other joints, if it has learned that. What can't be filled in is NaN in the result, with
    ``ok`` False, and a warning in the log says how many and why. Everything runs in batches.

    Args:
        keypoints: (N, L, 2) px, or (N, L, 3) with scores; (L, 2) or (L, 3) for a single pose; a
            file or folder for :func:`~part_synth.apis.read_keypoints`, or what that gave.
        scores: (N, L) or (L,); joints below ``min_score`` are missing, as are those that are not
            finite.
        image_size: (width, height) px. Without a camera, its focal length is then guessed: 1.15
            times the larger side, the principal point in the middle.
        camera: ``dict(focal=(fx, fy), centre=(cx, cy))``, px. Without camera and image size each
            person is taken as if in the middle of the picture and far away.
        skeleton: Layout of the keypoints, see
            :data:`~part_synth.geometry.keypoint_layouts.KEYPOINT_LAYOUTS`; None = the file's, or
            'coco' for arrays.
        model: None for the one in the package, (config, checkpoint), an .onnx file of
            ``tools/export_onnx.py``, or a :class:`~part_synth.models.LiftingModel`.
        person_ids: (N,) whole numbers, the same for the same person. None with ``frames`` or
            ``fps``: all rows are one person; None without them: each row is somebody else, so that
            nothing is shared between rows.
        frames: (N,) whole numbers, frame of each row; None = a person's rows in order.
        fps: Frames per second, for models that read several frames; None = as many as the model
            was trained with.
        min_score: Scores below it mean missing.
        max_gap: Frames, at most, over which a missing joint is interpolated; 0 = never.
        batch_size: Poses at once.
        device: Where a model that is loaded here runs.

    Returns:
        LiftedPoses: A row for each row of the input, in its order.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The input has another shape, the layout is unknown or has another number of
            joints, image size and keypoints do not belong together, or a number makes no sense.

    Example::

        poses = lift(keypoints, scores, image_size=(1920, 1080), skeleton="coco")
        poses.joints[poses.ok]
    """
    _check_numbers(min_score=min_score, max_gap=max_gap, batch_size=batch_size, fps=fps)
    request = _request(keypoints, scores, skeleton, person_ids, frames, fps, min_score)
    focal, centre = _camera(camera, image_size, request)
    model = load_lifter(model, device)
    points, visible = to_h36m17(
        torch.from_numpy(request.keypoints), torch.from_numpy(request.visible), request.layout
    )
    points, visible = points.numpy(), visible.numpy()
    _drop_far_out(points, visible, request)
    seen = visible.copy()
    ok, reasons = _complete(model, points, visible, request, max_gap, batch_size)
    joints = _lift(model, points, ok, focal, centre, request, fps, batch_size)
    finite = np.isfinite(joints).all((1, 2))
    reasons["that the model gave no finite numbers for"] = ok & ~finite
    ok &= finite
    joints[~ok] = np.nan
    _warn(ok, reasons)
    request.assumptions.append(
        f"2D keypoints do not tell size: the bones of each pose add up to {model.bones_total:g} m."
    )
    return LiftedPoses(
        joints=joints,
        ok=ok,
        filled=visible & ~seen,
        keypoints=points.astype(np.float32),
        person_ids=request.person_ids,
        frames=request.frames,
        assumptions=request.assumptions,
    )


def _check_numbers(min_score: float, max_gap: int, batch_size: int, fps: float | None) -> None:
    whole = all(isinstance(value, int | np.integer) for value in (max_gap, batch_size))
    if not (whole and _is_finite(min_score) and max_gap >= 0 and batch_size >= 1):
        raise ValueError(
            "min_score must be a number, max_gap and batch_size whole numbers of at least 0 and 1, "
            f"got {min_score!r}, {max_gap!r}, {batch_size!r}."
        )
    if fps is not None and not (_is_finite(fps) and fps > 0):
        raise ValueError(f"fps must be a positive number, got {fps!r}.")


def _is_finite(value) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _request(
    keypoints, scores, skeleton: str | None, person_ids, frames, fps, min_score: float
) -> _Request:
    """Input of all forms as arrays."""
    assumptions: list[str] = []
    said = skeleton is not None
    if isinstance(keypoints, str | Path):
        keypoints = read_keypoints(keypoints)
    if isinstance(keypoints, KeypointTracks):
        if any(given is not None for given in (scores, person_ids, frames)):
            raise ValueError(
                "scores, person_ids and frames come from the keypoint file; leave them out."
            )
        tracks = keypoints
        keypoints, scores = tracks.keypoints, tracks.scores
        person_ids, frames = tracks.person_ids, tracks.frames
        assumptions += tracks.assumptions
        count = keypoints.shape[1]
        if skeleton is None and tracks.layout is None:
            raise ValueError(
                f"The file does not tell the layout of its {count} joints; give skeleton=..., one "
                f"of {', '.join(layouts_of_size(count)) or 'none that is known'}."
            )
        skeleton = skeleton or tracks.layout
        if not np.isfinite(keypoints).any():
            # Nobody in any frame: the number of joints means nothing.
            shape = (len(keypoints), keypoint_layout(skeleton).num_joints)
            keypoints, scores = np.full((*shape, 2), np.nan), np.zeros(shape)
        said |= tracks.layout_said
    layout = keypoint_layout(skeleton or "coco")
    if not said:
        assumptions.append(f"The keypoints are taken as layout {layout.name!r}.")
    keypoints, scores = _keypoint_arrays(keypoints, scores, layout.num_joints)
    visible = (np.abs(keypoints) < _INFINITE).all(-1)
    if scores is not None:
        visible &= scores >= min_score
    else:
        # What detectors write for joints that they did not find.
        nowhere = visible & (keypoints == 0).all(-1)
        if nowhere.any():
            visible &= ~nowhere
            assumptions.append(f"{int(nowhere.sum())} keypoints at (0, 0) are taken as missing.")
    ids, numbers = _tracks(len(keypoints), person_ids, frames, fps, assumptions)
    return _Request(keypoints, visible, ids, numbers, layout.name, assumptions)


def _keypoint_arrays(keypoints, scores, num_joints: int) -> tuple[np.ndarray, np.ndarray | None]:
    """(N, L, 2) and (N, L) float64; ``num_joints`` is that of an empty list."""
    try:
        keypoints = _floats(keypoints)
        scores = None if scores is None else _floats(scores)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"keypoints and scores must be arrays of numbers ({error}). Poses with different "
            "numbers of joints can't be lifted together."
        ) from error
    if keypoints.shape == (0,):
        return np.zeros((0, num_joints, 2)), None
    if keypoints.ndim == 2:
        keypoints = keypoints[None]
        scores = scores[None] if scores is not None and scores.ndim == 1 else scores
    if keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3):
        raise ValueError(
            "keypoints must be (N, L, 2), (N, L, 3) with scores, or (L, 2) for one pose, got "
            f"{keypoints.shape}."
        )
    if keypoints.shape[2] == 3:
        if scores is not None:
            raise ValueError(
                "Give scores either as third column of the keypoints or as scores=..., not both; "
                "3D poses need no lifting."
            )
        keypoints, scores = keypoints[..., :2], keypoints[..., 2]
        if (
            np.nanmin(scores, initial=0.0) < -0.1
            or 0
            < np.nanmax(np.abs(keypoints), initial=0.0, where=np.isfinite(keypoints))
            < _LEAST_PIXELS
        ):
            raise ValueError(
                "keypoints (N, L, 3) must be x and y in pixels and a score, but these look like 3D "
                "poses, or are not in pixels; 3D poses need no lifting."
            )
    if scores is not None and scores.shape != keypoints.shape[:2]:
        raise ValueError(
            f"scores must be {keypoints.shape[:2]}, one for each keypoint, got {scores.shape}."
        )
    return keypoints, scores


def _floats(values) -> np.ndarray:
    """float64 array; what is masked becomes NaN."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    if np.iscomplexobj(values):
        raise TypeError("complex numbers")
    if np.ma.isMaskedArray(values):
        return values.astype(np.float64).filled(np.nan)
    return np.asarray(values, dtype=np.float64)


def _tracks(count: int, person_ids, frames, fps, assumptions: list[str]) -> tuple:
    """(N,) person and frame of each row, int64."""
    if person_ids is not None:
        ids = _whole_numbers(person_ids, count, "person_ids")
    elif frames is not None or fps is not None:
        ids = np.zeros(count, dtype=np.int64)
    else:
        ids = np.arange(count)
        if count > 1:
            assumptions.append(
                "Each row is taken as another person; person_ids, frames or fps tell videos."
            )
    if frames is None:
        return ids, count_within(ids)
    numbers = _whole_numbers(frames, count, "frames")
    order = np.lexsort((numbers, ids))
    same = (np.diff(ids[order]) == 0) & (np.diff(numbers[order]) == 0)
    if same.any():
        row = order[np.flatnonzero(same)[0]]
        raise ValueError(
            f"Person {ids[row]} has several rows in frame {numbers[row]}; give different people "
            "different person_ids."
        )
    return ids, numbers


def _whole_numbers(values, count: int, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        if array.shape == (count,) and count == 0:
            return np.zeros(0, dtype=np.int64)
        raise ValueError(
            f"{name} must be {count} whole numbers, one for each row of the keypoints, got "
            f"{array.shape} {array.dtype}."
        )
    return array.astype(np.int64)


def camera_numbers(camera: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Focal length and principal point of ``dict(focal=(fx, fy), centre=(cx, cy))``, (2,) px each.

    Raises:
        ValueError: The camera is no such dict, or its numbers can't be pixels.
    """
    if not isinstance(camera, Mapping) or set(camera) != {"focal", "centre"}:
        found = sorted(map(str, camera)) if isinstance(camera, Mapping) else repr(camera)
        raise ValueError(
            f"camera must be dict(focal=(fx, fy), centre=(cx, cy)) in px, got {found}."
        )
    focal = _pair(camera["focal"], "camera['focal']", "(fx, fy) in px")
    if focal.min() < _LEAST_PIXELS:
        raise ValueError(
            f"camera['focal'] must be in pixels, got {camera['focal']!r}; multiply a "
            "normalised one by the image size."
        )
    centre = _pair(camera["centre"], "camera['centre']", "(cx, cy) in px", positive=False)
    return focal, centre


def _camera(camera, image_size, request: _Request) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Focal length and principal point, (2,) px; None where nothing is known."""
    size = None if image_size is None else _pair(image_size, "image_size", "(width, height) in px")
    if camera is not None:
        focal, centre = camera_numbers(camera)
    if size is not None:
        _check_size(size, request)
    if camera is None and size is None:
        request.assumptions.append(
            "Camera and image size are not known: each person is taken as if in the middle of the "
            "picture, and far away."
        )
        return None, None
    if camera is None:
        focal, centre = np.full(2, GUESSED_FOCAL * size.max()), size / 2
        request.assumptions.append(
            f"The focal length is not known: {focal[0]:g} px are taken, {GUESSED_FOCAL} times the "
            "larger side of the image, and its middle as principal point."
        )
    return focal, centre


def _pair(values, name: str, form: str, positive: bool = True) -> np.ndarray:
    try:
        pair = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        pair = np.zeros(0)
    if pair.shape != (2,) or not np.isfinite(pair).all() or (positive and (pair <= 0).any()):
        sign = "two positive numbers" if positive else "two numbers"
        raise ValueError(f"{name} must be {sign}, {form}, got {values!r}.")
    return pair


def _check_size(size: np.ndarray, request: _Request) -> None:
    """Refuse normalised keypoints, and width and height exchanged; warn of other misfits."""
    seen = request.keypoints[request.visible]
    if not len(seen):
        return
    if np.abs(seen).max() <= 2.0 < size.min():
        raise ValueError(
            "keypoints must be in pixels where image_size is given, got values from "
            f"{seen.min():.3g} to {seen.max():.3g}; multiply normalised ones by the image size."
        )
    # A tenth of the image's size beyond its edges: detectors guess there.
    inside, swapped = (
        ((seen >= -0.1 * s) & (seen <= 1.1 * s)).all(-1).mean() for s in (size, size[::-1])
    )
    if inside >= 0.75:
        return
    outside = f"{100 * (1 - inside):.0f} % of the keypoints lie outside of image_size"
    if swapped > 0.95:
        raise ValueError(
            f"{outside}=({size[0]:g}, {size[1]:g}), but nearly all inside of ({size[1]:g}, "
            f"{size[0]:g}): give it as (width, height)."
        )
    sentence = f"{outside} ({size[0]:g} x {size[1]:g} px); is it that of these keypoints?"
    request.assumptions.append(sentence)
    print_log(f"lift: {sentence}", logger="current", level=logging.WARNING)


def _extent(points: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) larger side of the box around the visible joints, and largest coordinate."""
    known = visible[..., None]
    high = np.where(known, points, -np.inf).max(1)
    low = np.where(known, points, np.inf).min(1)
    extent = np.where(visible.any(1)[:, None], high - low, 0.0).max(-1)
    return extent, np.where(known, np.abs(points), 0.0).max((1, 2))


def _complete(
    model: nn.Module,
    points: np.ndarray,
    visible: np.ndarray,
    request: _Request,
    max_gap: int,
    batch_size: int,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Fill missing joints (N, K, 2) in place.

    Returns:
        Which poses are complete, (N,), and for each reason why others are not, which.
    """
    missing = int((~visible).sum())
    _fill_gaps(points, visible, request.person_ids, request.frames, max_gap)
    between = missing - int((~visible).sum())
    counts = visible.sum(1)
    enough = counts >= _MIN_VISIBLE
    extent, largest = _extent(points, visible)
    is_point = enough & (extent <= _ONE_POINT * largest)
    infill = getattr(model, "infill", None)
    has_infill = infill is not None and bool(getattr(infill, "fitted", True))
    rows = np.flatnonzero(enough & ~is_point & ~visible.all(1)) if has_infill else np.zeros(0, int)
    expected = _fill_expected(infill, points, visible, rows, batch_size) if len(rows) else 0
    if between or expected:
        request.assumptions.append(
            f"Of {visible.size} joints {between} were missing and interpolated between frames, "
            f"{expected} were missing and filled in as the model expects them."
        )
    why = "" if has_infill else ", which this model has not learned to fill in"
    reasons = {
        "without any joint": counts == 0,
        f"with fewer than {_MIN_VISIBLE} joints": (counts > 0) & ~enough,
        "with all joints in one point": is_point,
        f"with missing joints{why}": enough & ~is_point & ~visible.all(1),
    }
    return visible.all(1) & ~is_point, reasons


def _drop_far_out(points: np.ndarray, visible: np.ndarray, request: _Request) -> None:
    """Take joints far away from all others as missing, in place, and say so."""
    known = np.where(visible[..., None], points, np.nan)
    rows = np.flatnonzero(visible.sum(1) >= _MIN_VISIBLE)
    if not len(rows):
        return
    middle = np.nanmedian(known[rows], axis=1, keepdims=True)
    distance = np.linalg.norm(known[rows] - middle, axis=-1)
    typical = np.nanmedian(distance, axis=1, keepdims=True)
    far = np.zeros_like(visible)
    far[rows] = (distance > _FAR_OUT * typical) & (typical > 0)
    if far.any():
        visible &= ~far
        sentence = (
            f"{int(far.sum())} joints far away from the rest of a person are taken as missing."
        )
        request.assumptions.append(sentence)
        print_log(f"lift: {sentence}", logger="current", level=logging.WARNING)


def _fill_gaps(
    points: np.ndarray,
    visible: np.ndarray,
    person_ids: np.ndarray,
    frames: np.ndarray,
    max_gap: int,
) -> None:
    """Interpolate missing joints (N, K, 2) between frames of a person, in place.

    A gap is filled if at most ``max_gap`` frames lie between the two frames that see the joint.
    """
    if max_gap == 0 or visible.all() or len(points) < 3:
        return
    order = np.lexsort((frames, person_ids))
    seen, time = visible[order], frames[order][:, None]
    rows = np.arange(len(order))[:, None]
    person = person_ids[order]
    # The nearest rows before and after that see the joint, of whomever.
    before = np.maximum.accumulate(np.where(seen, rows, -1), axis=0)
    after = np.where(seen, rows, len(order))
    after = np.minimum.accumulate(after[::-1], axis=0)[::-1]
    both = ~seen & (before >= 0) & (after < len(order))
    before, after = np.where(both, before, 0), np.where(both, after, 0)
    both &= (person[before] == person[:, None]) & (person[after] == person[:, None])
    start, end = time[before, 0], time[after, 0]
    both &= end - start - 1 <= max_gap
    row, joint = np.nonzero(both)
    first, last = before[row, joint], after[row, joint]
    share = (time[row, 0] - start[row, joint]) / (end[row, joint] - start[row, joint])
    ordered = points[order]
    step = ordered[last, joint] - ordered[first, joint]
    points[order[row], joint] = ordered[first, joint] + share[:, None] * step
    visible[order[row], joint] = True


def _fill_expected(
    infill: nn.Module, points: np.ndarray, visible: np.ndarray, rows: np.ndarray, batch_size: int
) -> int:
    """Fill missing joints of these rows by what the model expects, in place; number of joints."""
    count = 0
    device = next((p.device for p in (*infill.parameters(), *infill.buffers())), "cpu")
    with torch.inference_mode():
        for part in np.split(rows, range(batch_size, len(rows), batch_size)):
            filled, good = infill(
                torch.from_numpy(points[part]).to(device),
                torch.from_numpy(visible[part]).to(device),
            )
            filled, good = filled.double().cpu().numpy(), good.cpu().numpy().astype(bool)
            good &= np.isfinite(filled).all((1, 2))
            part, filled = part[good], filled[good]
            count += int((~visible[part]).sum())
            points[part] = np.where(visible[part][..., None], points[part], filled)
            visible[part] = True
    return count


def _lift(
    model: nn.Module,
    points: np.ndarray,
    ok: np.ndarray,
    focal: np.ndarray | None,
    centre: np.ndarray | None,
    request: _Request,
    fps: float | None,
    batch_size: int,
) -> np.ndarray:
    """(N, 17, 3) float32 joints, camera frame; NaN where ``ok`` is False."""
    joints = np.full((*points.shape[:2], 3), np.nan, dtype=np.float32)
    rows = np.flatnonzero(ok)
    if not len(rows):
        return joints
    num_frames = int(model.lifter.num_frames)
    windows = torch.arange(len(rows))[:, None]
    if num_frames > 1:
        step = _window_step(model, fps, request)
        windows = torch.from_numpy(
            frame_windows(request.person_ids[rows], request.frames[rows], num_frames, step)
        )
    pixels = torch.from_numpy(points[rows])
    was_training = model.training
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    model.eval()
    try:
        with torch.inference_mode():
            if focal is None:
                # As training sees people whose camera is not known.
                intrinsics = far_camera(pixels)
            else:
                intrinsics = tuple(
                    torch.from_numpy(v).expand(len(pixels), 2) for v in (focal, centre)
                )
            aimed, rotation = aim_points(pixels, *intrinsics)
            aimed, rotation = aimed.float(), rotation.float()
            for start in range(0, len(rows), batch_size):
                part = slice(start, start + batch_size)
                poses = model.poses(aimed[windows[part]].to(device)).float().cpu()
                joints[rows[part]] = (poses @ rotation[part]).numpy()
    finally:
        model.train(was_training)
    return joints


def _window_step(model: nn.Module, fps: float | None, request: _Request) -> float:
    """Frames from one frame of a window to the next."""
    interval = frame_interval(model)
    if fps is not None:
        return interval * fps
    request.assumptions.append(
        f"fps is not known: frames are taken as {interval:g} s apart, as in the model's training."
    )
    return 1.0


def _warn(ok: np.ndarray, reasons: dict[str, np.ndarray]) -> None:
    """One warning of all poses that could not be lifted, with reasons."""
    if ok.all():
        return
    said = ", ".join(f"{int(rows.sum())} {words}" for words, rows in reasons.items() if rows.any())
    print_log(
        f"lift: {int((~ok).sum())} of {len(ok)} poses can't be lifted and are NaN: {said}.",
        logger="current",
        level=logging.WARNING,
    )
