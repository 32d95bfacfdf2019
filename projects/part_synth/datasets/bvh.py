"""BVH motion files: hierarchy, channels, and the 17 joints of common skeletons.

A BVH file holds a tree of joints with offsets and, per frame, one number for every channel of every
joint. Rotation channels apply in the order in which they are listed, each about the axis that the
earlier ones have turned (intrinsic). Lengths are in whatever unit the exporter chose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

# Names of the joints that START at the Human3.6M joint, per naming family; {S} is the side. All are
# compared in lower case, without a namespace ("mixamorig:") and without blanks, "_" and "-".
_LIMBS = {
    "Mixamo, MotionBuilder, CMU (cgspeed) or LAFAN1": {
        "root": ("hips", "hip", "pelvis"),
        "hip": ("{S}upleg",),
        "knee": ("{S}leg",),
        "foot": ("{S}foot",),
        "shoulder": ("{S}arm",),
        "elbow": ("{S}forearm",),
        "wrist": ("{S}hand",),
    },
    "Biovision or Poser": {
        "root": ("hips", "hip", "pelvis"),
        "hip": ("{S}hip", "{S}thigh", "{S}upleg"),
        "knee": ("{S}knee", "{S}shin", "{S}lowleg"),
        "foot": ("{S}ankle", "{S}foot"),
        "shoulder": ("{S}shoulder", "{S}shldr", "{S}uparm"),
        "elbow": ("{S}elbow", "{S}forearm", "{S}lowarm"),
        "wrist": ("{S}wrist", "{S}hand"),
    },
}
_SIDES = {"left": ("left", "l"), "right": ("right", "r")}
_SPINE_SHARE = 0.45  # of the way from the root to the base of the neck lies the joint "spine"


@dataclass
class BvhMotion:
    """Parsed BVH file: J nodes (joints and end sites), T frames.

    Attributes:
        names: J names; an end site is called ``<parent>.end``.
        parents: J indices, -1 for the root; a parent comes before its children.
        offsets: (J, 3) rest position in the parent, file units.
        channels: J tuples of channel names, empty for end sites.
        values: (T, C) channel values, file units and degrees.
        fps: Frames per second.
    """

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[tuple[str, ...]] = field(default_factory=list)
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    fps: float = 0.0

    def positions(self) -> np.ndarray:
        """Forward kinematics: (T, J, 3) float64 positions in the file's axes and unit."""
        frames = len(self.values)
        out = np.zeros((frames, len(self.names), 3))
        turned: list[Rotation] = []
        column = 0
        for node, (parent, names) in enumerate(zip(self.parents, self.channels, strict=True)):
            block = self.values[:, column : column + len(names)]
            column += len(names)
            offset = np.array(self.offsets[node])
            shift = np.tile(offset, (frames, 1))
            moving = [i for i, name in enumerate(names) if name.endswith("position")]
            if moving:
                axes = ["XYZ".index(names[i][0].upper()) for i in moving]
                given = block[:, moving]
                # Below the root most exporters write the whole local translation, some only its
                # change against the offset: the reading nearer to the offset is meant.
                middle, rest = np.median(given, axis=0), offset[axes]
                change = parent >= 0 and np.abs(middle).sum() < np.abs(middle - rest).sum()
                shift[:, axes] = given + (rest if change else 0.0)
            order = [i for i, name in enumerate(names) if name.endswith("rotation")]
            rotation = Rotation.identity(frames)
            if order:
                axes = "".join(names[i][0].upper() for i in order)
                angles = block[:, order] if len(order) > 1 else block[:, order[0]][:, None]
                rotation = Rotation.from_euler(axes, angles, degrees=True)
            if parent < 0:
                out[:, node] = shift
                turned.append(rotation)
            else:
                out[:, node] = out[:, parent] + turned[parent].apply(shift)
                turned.append(turned[parent] * rotation)
        return out


def read_bvh(path: str | Path) -> BvhMotion:
    """Parse a BVH file.

    Args:
        path (str | Path): File.

    Returns:
        BvhMotion: Hierarchy and channel values.

    Raises:
        ValueError: The file is no BVH file or is cut short; the message says where.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    head, found, tail = text.partition("MOTION")
    if not found or not head.lstrip("\ufeff \t\r\n").startswith("HIERARCHY"):
        raise ValueError(f"{path} is not a BVH file: it needs a HIERARCHY and a MOTION section.")
    motion = BvhMotion()
    try:
        _read_hierarchy(iter(head.lstrip("\ufeff").split()[1:]), motion)
    except (StopIteration, RuntimeError, ValueError, IndexError) as error:
        raise ValueError(
            f"The HIERARCHY of {path} is damaged near joint "
            f"{motion.names[-1] if motion.names else 'ROOT'!r}; export the file again."
        ) from error
    header = re.match(r"\s*Frames:\s*(\d+)\s*Frame\s+Time:\s*([-+.\deE]+)", tail)
    if header is None:
        raise ValueError(f"The MOTION section of {path} lacks its 'Frames:' or 'Frame Time:' line.")
    frames, seconds = int(header[1]), float(header[2])
    if seconds <= 0.0:
        raise ValueError(f"{path} has a Frame Time of {seconds}; write seconds, such as 0.033333.")
    width = sum(len(names) for names in motion.channels)
    try:
        values = np.array(tail[header.end() :].split(), dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"The MOTION section of {path} holds something not a number.") from error
    if frames < 1 or values.size != frames * width:
        raise ValueError(
            f"{path} announces {frames} frames of {width} channels = {frames * width} numbers but "
            f"holds {values.size}: the file is empty or cut short; copy or export it again."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{path} holds NaN or infinite channel values; export it again.")
    motion.values, motion.fps = values.reshape(frames, width), 1.0 / seconds
    return motion


def _read_hierarchy(words, motion: BvhMotion) -> None:
    """Fill names, parents, offsets and channels from the words of a HIERARCHY section."""
    stack: list[int] = []
    for word in words:
        if word in ("ROOT", "JOINT", "End"):
            name = next(words)
            motion.names.append(f"{motion.names[stack[-1]]}.end" if word == "End" else name)
            motion.parents.append(stack[-1] if stack else -1)
            motion.channels.append(())
        elif word == "{":
            stack.append(len(motion.names) - 1)
        elif word == "}":
            stack.pop()
        elif word == "OFFSET":
            motion.offsets.append([float(next(words)) for _ in range(3)])
        elif word == "CHANNELS":
            motion.channels[stack[-1]] = tuple(next(words) for _ in range(int(next(words))))
        else:
            raise ValueError(word)
    if stack or not motion.names or len(motion.offsets) != len(motion.names):
        raise ValueError("unbalanced")


def joints_of_bvh(motion: BvhMotion, source: str = "the BVH file") -> np.ndarray:
    """Positions of the 17 Human3.6M joints of a BVH motion.

    The trunk is mapped by its shape, since exporters cut it differently: ``thorax`` is the base of
    the neck, ``neck_base`` the base of the head, ``head`` the end of the head, and ``spine`` the
    trunk joint nearest to 45 % of the way from root to thorax.

    Args:
        motion (BvhMotion): Parsed file.
        source (str): Name of the file for messages.

    Returns:
        np.ndarray: (T, 17, 3) float64, axes and unit of the file.

    Raises:
        ValueError: The joint names belong to no known skeleton.
    """
    plain = [re.sub(r"[\s_\-]", "", name.split(":")[-1]).lower() for name in motion.names]
    limbs = next(filter(None, (_match(plain, table) for table in _LIMBS.values())), None)
    neck = next((i for i, name in enumerate(plain) if re.fullmatch(r"neck0?", name)), None)
    if limbs is None or neck is None or "head" not in plain:
        raise ValueError(
            f"The joints of {source} are named {motion.names}, which is none of the known "
            f"skeletons ({'; '.join(_LIMBS)}). Rename them in the file, for example to LeftUpLeg, "
            "LeftLeg, LeftFoot, LeftArm, LeftForeArm, LeftHand, Neck, Head."
        )
    where = motion.positions()
    head = plain.index("head")
    chain = [neck]
    while motion.parents[chain[-1]] not in (-1, limbs["root"]):
        chain.append(motion.parents[chain[-1]])
    chain = [limbs["root"], *reversed(chain)]
    length = np.r_[0.0, np.cumsum([np.linalg.norm(motion.offsets[i]) for i in chain[1:]])]
    spine = where[:, limbs["root"]] + _SPINE_SHARE * (where[:, neck] - where[:, limbs["root"]])
    inner = [k for k in range(1, len(chain) - 1) if 0.2 < length[k] / length[-1] < 0.75]
    if inner:
        best = min(inner, key=lambda k: abs(length[k] / length[-1] - _SPINE_SHARE))
        spine = where[:, chain[best]]
    tops = [i for i, parent in enumerate(motion.parents) if parent == head]
    longest = max(tops, key=lambda i: np.linalg.norm(motion.offsets[i]), default=head)
    top = where[:, longest]
    if np.linalg.norm(motion.offsets[longest]) < 0.3 * np.linalg.norm(motion.offsets[head]):
        top = 2.0 * where[:, head] - where[:, neck]
    named = {key: where[:, index] for key, index in limbs.items()}
    order = [f"{side}_{part}" for side in ("right", "left") for part in ("hip", "knee", "foot")]
    arms = [f"{side}_{p}" for side in ("left", "right") for p in ("shoulder", "elbow", "wrist")]
    trunk = [spine, where[:, neck], where[:, head], top]
    return np.stack(
        [named["root"], *(named[k] for k in order), *trunk, *(named[k] for k in arms)], 1
    )


def _match(plain: list[str], table: dict[str, tuple[str, ...]]) -> dict[str, int] | None:
    """Node index of the root and of each limb joint of one naming family, or None."""
    found = {}
    for part, patterns in table.items():
        for side, prefixes in _SIDES.items() if part != "root" else {"": ("",)}.items():
            names = [p.format(S=prefix) for prefix in prefixes for p in patterns]
            index = next((plain.index(name) for name in names if name in plain), None)
            if index is None:
                return None
            found[f"{side}_{part}" if side else part] = index
    return found
