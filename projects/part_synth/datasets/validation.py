"""What is wrong with a data set, in plain words.

Every check takes a :class:`~part_synth.datasets.frame_index.FrameIndex` and returns a list of
:class:`Finding`, empty if all is well. N frames, K = 17 joints, camera frame in metres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from part_synth.datasets.frame_index import LAYOUTS, FrameIndex
from part_synth.datasets.image_reader import ImageReader
from part_synth.datasets.unpaired_poses import load_unpaired_poses
from part_synth.geometry import H36M17, PART_NAMES

# Distance of pelvis and thorax, metres: 0.2 for a small child, 0.65 for a very tall person.
_TRUNK_RANGE = (0.15, 0.8)
# A knee that is nearer than this to the line from hip to ankle says nothing about the front.
_CLEAR_BEND = 0.03
_MIN_CLEAR_FRAMES = 10
# Real annotations reproject to about a pixel; synthetic ones exactly.
_REPROJECTION_LIMIT = 0.02
# Two calibrated cameras must put a joint at one place, metres.
_VIEW_LIMIT = 0.05


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: Name of the check that found it.
        message: What is wrong and what to do, in one or two sentences.
    """

    check: str
    message: str


def _examples(index: FrameIndex, frames: np.ndarray, count: int = 3) -> str:
    """Count and first names of some frames."""
    names = ", ".join(index.image_names[i].decode() for i in frames[:count])
    more = ", ..." if len(frames) > count else ""
    return f"{len(frames)} of {len(index)} frames ({names}{more})"


def check_values(index: FrameIndex) -> list[Finding]:
    """Values that are not numbers, boxes without a size, names that appear twice.

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    findings = []
    for name in ("joints", "joints_visible", "keypoints", "keypoints_visible", "center", "scale"):
        array = getattr(index, name).reshape(len(index), -1)
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            text = (
                f"`{name}` is NaN or infinite in {_examples(index, bad)}. Leave these frames out."
            )
            findings.append(Finding("values", text))
    bad = np.flatnonzero(index.scale <= 0)
    if len(bad):
        text = f"The person's box has no size (`scale` <= 0) in {_examples(index, bad)}."
        findings.append(Finding("values", text))
    _, first = np.unique(index.image_names, return_index=True)
    if len(first) < len(index):
        again = np.setdiff1d(np.arange(len(index)), first)
        text = f"Image names appear twice: {_examples(index, again)}. Keep one row for each."
        findings.append(Finding("values", text))
    return findings


def check_units(index: FrameIndex) -> list[Finding]:
    """Is the unit of the 3D joints the metre, and is the person before the camera?

    The unit is told by the median distance of pelvis and thorax.

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    joints = index.joints[_has_joints(index)]
    if len(joints) == 0:
        return []
    findings = [*_unit_finding(joints, "`S`")]
    behind = np.flatnonzero(_has_joints(index) & (index.joints[:, 0, 2] <= 0))
    if len(behind):
        text = (
            f"The pelvis is behind the camera (z <= 0) in {_examples(index, behind)}. `S` must be "
            "in the camera frame (z forward) and not centred on the root."
        )
        findings.append(Finding("units", text))
    return findings


def _unit_finding(joints: np.ndarray, what: str) -> Iterable[Finding]:
    """A finding if (M, 17, 3) joints are not in metres."""
    trunk = float(np.median(np.linalg.norm(joints[:, 8] - joints[:, 0], axis=-1)))
    if _TRUNK_RANGE[0] < trunk < _TRUNK_RANGE[1]:
        return
    guess = "not metres"
    for unit, factor in (("millimetres", 1000), ("centimetres", 100)):
        if _TRUNK_RANGE[0] < trunk / factor < _TRUNK_RANGE[1]:
            guess = f"{unit}, it seems: divide by {factor}"
    yield Finding(
        "units",
        f"The unit of {what} is {guess}. Pelvis and thorax are {trunk:.4g} apart (median), of a "
        "person about 0.5 m.",
    )


def knee_frontness(joints: np.ndarray) -> np.ndarray:
    """How far the knees stick out to where the labels say the front is.

    Knees bend one way only: the knee lies before the line from hip to ankle. That says where the
    front is without asking what is left and what is right. The labels say it too: front is (right
    hip to left hip) x (pelvis to thorax). If left and right are exchanged, or x is negated, the
    two disagree. In motion capture (CMU, 13144 frames of 51 clips) 99.9 % of the
    clearly bent frames agree.

    Args:
        joints (np.ndarray): (M, 17, 3) in a right-handed frame, metres.

    Returns:
        np.ndarray: (M,) metres, both knees together; negative if labels and knees disagree.
    """
    left = joints[:, 4] - joints[:, 1]
    front = np.cross(left, joints[:, 8] - joints[:, 0])
    front /= np.maximum(np.linalg.norm(front, axis=-1, keepdims=True), 1e-9)
    total = np.zeros(len(joints))
    for hip, knee, foot in ((1, 2, 3), (4, 5, 6)):
        leg = joints[:, foot] - joints[:, hip]
        leg = leg / np.maximum(np.linalg.norm(leg, axis=-1, keepdims=True), 1e-9)
        thigh = joints[:, knee] - joints[:, hip]
        bend = thigh - (thigh * leg).sum(-1, keepdims=True) * leg
        total += (bend * front).sum(-1)
    return total


def check_left_right(index: FrameIndex) -> list[Finding]:
    """Are left and right exchanged, or is the pose mirrored? Per person, see `knee_frontness`.

    Needs 10 frames with clearly bent knees (3 cm off the line from hip to ankle); with fewer there
    is no verdict. More than half of them must agree.

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    people = index.column("subject")
    usable = _has_joints(index)
    findings = []
    for person in np.unique(people[usable]):
        joints = index.joints[usable & (people == person)].astype(np.float64)
        findings += _left_right_finding(joints, f"person {person}")
    return findings


def _left_right_finding(joints: np.ndarray, what: str) -> Iterable[Finding]:
    """A finding if the knees of (M, 17, 3) joints mostly bend backwards."""
    trunk = np.linalg.norm(joints[:, 8] - joints[:, 0], axis=-1)
    # In units of a trunk of half a metre, so that a wrong unit is not reported twice.
    front = knee_frontness(joints) * 0.5 / np.maximum(trunk, 1e-9)
    clear = front[np.abs(front) > _CLEAR_BEND]
    if len(clear) >= _MIN_CLEAR_FRAMES and (clear > 0).mean() < 0.5:
        yield Finding(
            "left and right",
            f"Left and right are exchanged (or x is negated) for {what}: the knees bend backwards "
            f"in {(clear < 0).mean():.0%} of {len(clear)} frames with bent knees. The joint order "
            f"is {', '.join(H36M17.joint_names[:7])}, ...",
        )


def check_reprojection(index: FrameIndex) -> list[Finding]:
    """Do the 3D joints, seen by the camera (lens distortion included), fall on the 2D joints?

    Per camera: the median distance must be below 2 % of the side of the person's box.

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    findings = []
    known = np.isfinite(index.cameras.focal).all(axis=1)[index.camera_id]
    usable = known & _has_joints(index) & (index.keypoints_visible.sum(1) > 0)
    usable &= index.joints[:, :, 2].min(axis=1) > 0
    cameras = np.char.add(np.char.add(index.column("subject"), " "), index.column("camera"))
    if not index.cameras.focal.shape[0] or not usable.any():
        return findings
    rows = index.camera_id[usable]
    projected = project_distorted(
        index.joints[usable].astype(np.float64),
        index.cameras.focal[rows],
        index.cameras.centre[rows],
        index.cameras.distortion[rows],
    )
    distance = np.linalg.norm(projected - index.keypoints[usable], axis=-1)
    distance[index.keypoints_visible[usable] <= 0] = np.nan
    distance = np.nanmedian(distance, axis=1)
    relative = distance / np.maximum(200 * index.scale[usable], 1e-6)
    names = cameras[usable]
    for name in np.unique(names):
        of_camera = names == name
        if np.median(relative[of_camera]) > _REPROJECTION_LIMIT:
            text = (
                f"Camera {name} doesn't reproject: the 3D joints fall "
                f"{np.median(distance[of_camera]):.1f} px (median) from the 2D joints, "
                f"{np.median(relative[of_camera]):.0%} of the person's box. Its focal length or "
                "centre, or the order of one of the two sets of joints, is wrong."
            )
            findings.append(Finding("reprojection", text))
    return findings


def project_distorted(
    points: np.ndarray, focal: np.ndarray, centre: np.ndarray, distortion: np.ndarray
) -> np.ndarray:
    """Pinhole projection with the Brown-Conrady lens distortion, as OpenCV writes it.

    Args:
        points (np.ndarray): (M, K, 3) camera frame, metres.
        focal (np.ndarray): (M, 2) px.
        centre (np.ndarray): (M, 2) px.
        distortion (np.ndarray): (M, 5) k1, k2, p1, p2, k3.

    Returns:
        np.ndarray: (M, K, 2) px.
    """
    x, y = np.moveaxis(points[..., :2] / points[..., 2:], -1, 0)
    k1, k2, p1, p2, k3 = (column[:, None] for column in distortion.T)
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    bent = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    return bent * focal[:, None] + centre[:, None]


def check_cameras(index: FrameIndex) -> list[Finding]:
    """Are rotations rotations, and do several cameras see the same person at the same place?

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    findings = []
    rotation = index.cameras.rotation
    known = np.isfinite(rotation).all(axis=(1, 2)) & np.isfinite(index.cameras.position).all(axis=1)
    off = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        wrong = known & ((off > 1e-3) | (np.linalg.det(rotation) < 0))
    if wrong.any():
        text = f"`R` of {wrong.sum()} of {len(wrong)} cameras is no rotation (or mirrors)."
        return [Finding("cameras", text)]
    usable = np.flatnonzero(known[index.camera_id] & _has_joints(index))
    if len(usable) == 0:
        return findings
    seen = index.select(usable)
    world = np.einsum("nji,nkj->nki", rotation[seen.camera_id], seen.joints.astype(np.float64))
    world += index.cameras.position[seen.camera_id][:, None]
    groups = seen.group_by("subject", "clip", "frame")
    owner = groups.group_of
    mean = np.zeros((len(groups), *world.shape[1:]))
    np.add.at(mean, owner, world)
    mean /= groups.sizes[:, None, None]
    several = groups.sizes[owner] > 1
    apart = np.linalg.norm(world - mean[owner], axis=-1).max(axis=1)
    bad = several & (apart > _VIEW_LIMIT)
    for person in np.unique(seen.column("subject")[bad]):
        mine = bad & (seen.column("subject") == person)
        cameras = ", ".join(np.unique(seen.column("camera")[mine]))
        text = (
            f"The cameras of person {person} don't agree: the same instant is seen up to "
            f"{apart[mine].max():.2g} m apart in the world ({cameras}). `R` and `T` of some of "
            "them are wrong, or in the other direction (camera to world), or the clips are not "
            "synchronous."
        )
        findings.append(Finding("cameras", text))
    return findings


def check_boxes(index: FrameIndex) -> list[Finding]:
    """Is the person's box in the image, and are the joints in the box?

    Args:
        index (FrameIndex): Frames to look at.

    Returns:
        list[Finding]: What is wrong.
    """
    findings = []
    size = index.cameras.size[index.camera_id]
    with np.errstate(invalid="ignore"):
        outside = ((index.center < 0) | (index.center > size - 1)).any(axis=1)
    outside = np.flatnonzero(outside)
    if len(outside):
        text = "The centre of the person's box is outside of the image in "
        findings.append(Finding("boxes", text + _examples(index, outside) + "."))
    half = 100 * index.scale[:, None, None]
    near = (np.abs(index.keypoints - index.center[:, None]) <= half).all(axis=-1)
    visible = index.keypoints_visible > 0
    missed = (~near & visible).sum(1) > 0.5 * np.maximum(visible.sum(1), 1)
    missed = np.flatnonzero(missed)
    if len(missed):
        text = (
            "Most joints are outside of the person's box in "
            f"{_examples(index, missed)}. `scale` is the side of the box divided by 200 px, "
            "`center` its centre in px."
        )
        findings.append(Finding("boxes", text))
    return findings


def check_image_files(index: FrameIndex, max_decoded: int | None = 2000) -> list[Finding]:
    """Are the images and the part labels there, whole and of the right size?

    All files are looked for; some are decoded.

    Args:
        index (FrameIndex): Frames to look at.
        max_decoded (int | None): How many to decode, spread evenly; None = all.

    Returns:
        list[Finding]: What is wrong.
    """
    missing = np.flatnonzero([not index.image_path(i).is_file() for i in range(len(index))])
    findings = []
    if len(missing):
        text = f"There is no image for {_examples(index, missing)} in {index.image_dir}."
        findings.append(Finding("images", text))
    there = np.setdiff1d(np.arange(len(index)), missing)
    if max_decoded is not None and len(there) > max_decoded:
        there = there[np.linspace(0, len(there) - 1, max_decoded).astype(int)]
    read, read_labels = ImageReader(), ImageReader(grayscale=True)
    problems: dict[str, list[int]] = {}
    for i in there.tolist():
        try:
            image = read(index.image_path(i))
        except OSError:
            problems.setdefault("The image can't be decoded (corrupt) of", []).append(i)
            continue
        size = index.cameras.size[index.camera_id[i]]
        if np.isfinite(size).all() and tuple(size[::-1]) != image.shape[:2]:
            text = "The image is not as large as the camera file says (`w`, `h`) of"
            problems.setdefault(text, []).append(i)
        path = index.part_path(i)
        if path is not None:
            problem = _label_problem(path, image.shape[:2], read_labels)
            if problem:
                problems.setdefault(problem, []).append(i)
    for text, frames in problems.items():
        findings.append(Finding("images", f"{text} {_examples(index, np.array(frames))}."))
    return findings


def _label_problem(path: Path, shape: tuple[int, int], read: ImageReader) -> str | None:
    """What is wrong with one part label image."""
    if not path.is_file():
        return "There is no part label PNG of"
    try:
        labels = read(path)
    except OSError:
        return "The part label PNG can't be decoded (corrupt, or not 8-bit) of"
    if labels.shape != shape:
        return "The part label PNG has another size than the frame, or several channels, of"
    if labels.max() >= len(PART_NAMES):
        return f"The part label PNG has values above {len(PART_NAMES) - 1} of"
    if not labels.any():
        return "The part label PNG shows no person at all of"
    return None


def check_unpaired_poses(path: str | Path) -> list[Finding]:
    """Can the unpaired 3D poses be read, are they in metres, left and right as they should be?

    Args:
        path (str | Path): The npz.

    Returns:
        list[Finding]: What is wrong.
    """
    try:
        poses = load_unpaired_poses(path, split=None).numpy()
    except (FileNotFoundError, ValueError) as error:
        return [Finding("unpaired poses", str(error))]
    return list(_left_right_finding(poses.astype(np.float64), f"the poses of {path}"))


# The checks of annotations, in the order of their report.
ANNOTATION_CHECKS: tuple[Callable[[FrameIndex], list[Finding]], ...] = (
    check_values,
    check_units,
    check_left_right,
    check_reprojection,
    check_cameras,
    check_boxes,
)


def validate_index(index: FrameIndex, max_decoded: int | None = 2000) -> list[Finding]:
    """Run all checks.

    Args:
        index (FrameIndex): Frames to look at.
        max_decoded (int | None): How many images to decode; None = all.

    Returns:
        list[Finding]: What is wrong, empty if nothing.
    """
    findings = [finding for check in ANNOTATION_CHECKS for finding in check(index)]
    return findings + check_image_files(index, max_decoded)


def _has_joints(index: FrameIndex) -> np.ndarray:
    """(N,) bool, frames whose 3D joints are annotated and finite."""
    annotated = (index.joints_visible > 0).any(axis=1) | (index.joints != 0).any(axis=(1, 2))
    return annotated & np.isfinite(index.joints).all(axis=(1, 2))


def validate_data_set(
    root: str | Path,
    layout: str | None = None,
    ann_file: str | None = None,
    max_decoded: int | None = 2000,
    **options,
) -> tuple[list[Finding], int]:
    """Run all checks on all annotation files of a data set.

    Args:
        root (str | Path): Folder of the data set.
        layout (str | None): Name of a layout; None = the first one that finds its files there.
        ann_file (str | None): One annotation file relative to the root; None = all of the layout.
        max_decoded (int | None): How many images to decode per annotation file; None = all.
        **options: Further arguments of the layout's ``from_disk``.

    Returns:
        tuple[list[Finding], int]: What is wrong, and the number of frames looked at.
    """
    root = Path(root)
    if not root.is_dir():
        return [Finding("files", f"There is no folder {root}.")], 0
    known = LAYOUTS.module_dict
    if layout is not None and layout not in known:
        return [Finding("files", f"There is no layout '{layout}', but {', '.join(known)}.")], 0
    candidates = list(known) if layout is None else [layout]
    files = {name: known[name].annotation_files(root) for name in candidates}
    name = next((name for name in candidates if files[name]), candidates[0])
    if ann_file is not None:
        files[name] = [ann_file]
    if not files[name]:
        patterns = [pattern for name in candidates for pattern in known[name].annotation_patterns]
        text = f"{root} has no annotation file: looked for {', '.join(patterns)}."
        return [Finding("files", text)], 0
    findings, frames = [], 0
    for file in files[name]:
        try:
            index = known[name].from_disk(root, ann_file=file, check_images=False, **options)
        except (FileNotFoundError, ValueError) as error:
            findings.append(Finding("files", str(error)))
            continue
        frames += len(index)
        found = validate_index(index, max_decoded)
        findings += [Finding(f"{file}: {one.check}", one.message) for one in found]
    if (root / "unpaired_poses.npz").is_file():
        findings += check_unpaired_poses(root / "unpaired_poses.npz")
    return findings, frames
