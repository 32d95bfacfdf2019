"""BVH files: a skeleton of constant bones, and a rotation of every joint for every frame.

Symbols: T frames, K = 17 Human3.6M joints.

The file's frame: x as the camera's, y up, z towards the camera; a person who faces the camera looks
along z. Metres, so that Blender shows people in their size at its scale of 1. The rest pose has the
arms stretched out sideways.

One rotation of a BVH joint turns all bones that start there. Pelvis and upper chest have three
each, which move against each other: each of these gets a joint of its own in the same place
(``LHipJoint``, ``LeftShoulder``, ...), as usual. Twist about a bone is not in 17 points: limbs turn
from the pose of their parent by the smallest rotation, pelvis and chest by the lines of hips and
shoulders.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from part_synth.geometry import H36M17, bone_lengths, pelvis_frame, swing

from .files import whole_file
from .sequence import PoseSequence

# Camera frame (y down, z forward) to the file's.
_TO_FILE = np.array([1.0, -1.0, -1.0])
_ORDER = "ZXY"
# Without a known position the hips stay above the origin, legs' length high.
_TIP = 0.5  # of the bone before: a hand or foot, which 17 joints do not have
_LEAST_BONE = 1e-3  # metres; Blender drops bones of length zero


@dataclass(frozen=True)
class _Node:
    """A joint of the file.

    Args:
        name: Name, of the family that Mixamo and CMU's BVH files use.
        parent: Name of the parent.
        bone: H36M17 child joint whose bone leads from the parent to here; None for no way at all.
        aims: H36M17 child joint whose bone starts here and is turned by this node.
    """

    name: str
    parent: str | None
    bone: str | None
    aims: str | None


def _leg(side: str) -> list[_Node]:
    s, name = side, side.capitalize()
    return [
        _Node(f"{name[0]}HipJoint", "Hips", None, f"{s}_hip"),
        _Node(f"{name}UpLeg", f"{name[0]}HipJoint", f"{s}_hip", f"{s}_knee"),
        _Node(f"{name}Leg", f"{name}UpLeg", f"{s}_knee", f"{s}_foot"),
        _Node(f"{name}Foot", f"{name}Leg", f"{s}_foot", None),
    ]


def _arm(side: str) -> list[_Node]:
    s, name = side, side.capitalize()
    return [
        _Node(f"{name}Shoulder", "Spine", "thorax", f"{s}_shoulder"),
        _Node(f"{name}Arm", f"{name}Shoulder", f"{s}_shoulder", f"{s}_elbow"),
        _Node(f"{name}ForeArm", f"{name}Arm", f"{s}_elbow", f"{s}_wrist"),
        _Node(f"{name}Hand", f"{name}ForeArm", f"{s}_wrist", None),
    ]


_NODES = [
    _Node("Hips", None, None, None),
    *_leg("left"),
    *_leg("right"),
    _Node("LowerBack", "Hips", None, "spine"),
    _Node("Spine", "LowerBack", "spine", "thorax"),
    _Node("Neck", "Spine", "thorax", "neck_base"),
    _Node("Head", "Neck", "neck_base", "head"),
    *_arm("left"),
    *_arm("right"),
]
_UP, _DOWN, _LEFT, _FORWARD = (
    np.array(v, dtype=np.float64) for v in ((0, 1, 0), (0, -1, 0), (1, 0, 0), (0, 0, 1))
)


def _rest_direction(child: str) -> np.ndarray:
    """Direction of the bone that ends in a joint, rest pose, the file's frame."""
    if child in ("spine", "thorax", "neck_base", "head"):
        return _UP
    if child.endswith(("knee", "foot")):
        return _DOWN
    return _LEFT if child.startswith("left") else -_LEFT


def write_bvh(path: str | Path, sequence: PoseSequence, person: int) -> Path:
    """Write one person's motion.

    Bones have their median length over the person's frames. The file has a pose for every frame of
    the input: frames without one lie between their neighbours, those before the first and after the
    last repeat it. Without a known position of the root the hips stay in one place.

    Args:
        path: File; its folder is made.
        sequence: Poses.
        person: Whose.

    Returns:
        Path: The file.

    Raises:
        ValueError: This person has no 3D pose.
    """
    rows = np.flatnonzero(sequence.ok & (sequence.person_ids == person))
    if len(rows) == 0:
        raise ValueError(f"Person {person} has no 3D pose; nothing to write to {path}.")
    times = np.arange(max(sequence.num_frames, 1))
    known = sequence.frames[rows]
    joints = _at_times(times, known, sequence.joints[rows].astype(np.float64) / 1000.0) * _TO_FILE
    lengths = np.median(bone_lengths(torch.from_numpy(joints)).numpy(), axis=0)
    lengths = np.maximum(lengths, _LEAST_BONE)
    if sequence.root is None:
        place = np.tile([0.0, lengths[H36M17.index("left_knee") - 1], 0.0], (len(times), 1))
        place[:, 1] += lengths[H36M17.index("left_foot") - 1]
    else:
        root = sequence.root[rows].astype(np.float64) / 1000.0
        place = _at_times(times, known, root) * _TO_FILE
    values = _channels(joints, place)
    fps = sequence.fps or 1.0
    with whole_file(path) as file:
        file.write("HIERARCHY\n")
        file.write(_hierarchy("Hips", lengths, 0))
        file.write(f"MOTION\nFrames: {len(values)}\nFrame Time: {1.0 / fps:.8f}\n")
        for row in values:
            file.write(" ".join(f"{value:.6f}" for value in row) + "\n")
    return Path(path)


def _at_times(times: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (N, ...) of the known times at all times, (T, ...); straight lines between them."""
    flat = values.reshape(len(values), -1)
    columns = [np.interp(times, known, flat[:, i]) for i in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(len(times), *values.shape[1:])


def _bone(joints: np.ndarray, child: str) -> np.ndarray:
    """(T, 3) unit vectors of the bone that ends in ``child``; its rest direction where zero."""
    index = H36M17.index(child)
    vector = joints[:, index] - joints[:, H36M17.parents[index]]
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.where(norm > 1e-9, vector / np.maximum(norm, 1e-9), _rest_direction(child))


def _turns(joints: np.ndarray) -> dict[str, np.ndarray]:
    """(T, 3, 3) rotation of each node from the rest pose, the file's frame."""
    hips = torch.from_numpy(
        np.stack([_bone(joints, name) for name in ("right_hip", "left_hip", "spine")], axis=1)
    )
    # Columns left, down, back; the file's rest axes are left, up, forward.
    turns = {"Hips": pelvis_frame(hips).numpy() * _TO_FILE}
    for node in _NODES[1:]:
        parent = turns[node.parent]
        if node.aims is None:
            turns[node.name] = parent
            continue
        start = torch.from_numpy(parent @ _rest_direction(node.aims))
        aim = torch.from_numpy(_bone(joints, node.aims))
        turn = swing(start, aim).numpy() @ parent
        if node.name == "Spine":
            turn = _chest(joints, turn)
        turns[node.name] = turn
    return turns


def _chest(joints: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Twist the chest about its bone until its x axis lies along the line of the shoulders."""
    up = turn[..., 1]
    line = joints[:, H36M17.index("left_shoulder")] - joints[:, H36M17.index("right_shoulder")]
    line = line - (line * up).sum(-1, keepdims=True) * up
    norm = np.linalg.norm(line, axis=-1, keepdims=True)
    left = np.where(norm > 1e-4, line / np.maximum(norm, 1e-4), turn[..., 0])
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def _channels(joints: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(T, 3 + 3 per node) position of the root in metres and angles in degrees."""
    turns = _turns(joints)
    columns = [place]
    for node in _NODES:
        local = turns[node.name]
        if node.parent is not None:
            local = np.swapaxes(turns[node.parent], -1, -2) @ local
        angles = Rotation.from_matrix(local).as_euler(_ORDER)
        # No jumps of a whole turn, which programs would interpolate through.
        columns.append(np.degrees(np.unwrap(angles, axis=0)))
    return np.concatenate(columns, axis=1)


def _hierarchy(name: str, lengths: np.ndarray, depth: int) -> str:
    """The lines of a node and all below it."""
    node = next(node for node in _NODES if node.name == name)
    children = [other for other in _NODES if other.parent == name]
    offset = np.zeros(3)
    if node.bone is not None:
        offset = _rest_direction(node.bone) * lengths[H36M17.index(node.bone) - 1]
    tab = "\t" * depth
    channels = " ".join(f"{axis}rotation" for axis in _ORDER)
    if node.parent is None:
        head, channels = f"{tab}ROOT {name}\n", f"6 Xposition Yposition Zposition {channels}"
    else:
        head, channels = f"{tab}JOINT {name}\n", f"3 {channels}"
    text = f"{head}{tab}{{\n{tab}\t{_offset(offset)}{tab}\tCHANNELS {channels}\n"
    text += "".join(_hierarchy(child.name, lengths, depth + 1) for child in children)
    if not children:
        end = _end(node, lengths)
        text += f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\t{_offset(end)}{tab}\t}}\n"
    return f"{text}{tab}}}\n"


def _end(node: _Node, lengths: np.ndarray) -> np.ndarray:
    """Offset of an end site: the top of the head; a tip of hands and feet for the eye."""
    if node.aims is not None:
        return _rest_direction(node.aims) * lengths[H36M17.index(node.aims) - 1]
    direction = _FORWARD if node.bone.endswith("foot") else _rest_direction(node.bone)
    return direction * lengths[H36M17.index(node.bone) - 1] * _TIP


def _offset(vector: np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{value + 0.0:.6f}" for value in vector) + "\n"
