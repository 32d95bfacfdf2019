"""Acclaim motion files: the skeleton (ASF), the motion (AMC), and the 17 joints, as CMU has them.

An ASF file holds a tree of bones. A bone starts where its parent ends; at rest it points along its
``direction`` in the WORLD, and its angles turn about ``axis``, a frame of its own that is fixed to
it. With C the turn that leads to that frame, M the turn of the angles and G the turn that a bone
has in the world::

    G_child = G_parent C M C^-1        end = start + length G_child direction

All turns go about fixed axes in the order in which the file lists them, so "XYZ" is Rz Ry Rx.

Symbols: T frames, J nodes (the root and the bones), D channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from part_synth.geometry import H36M17, skeleton_from_names

_INCH = 0.0254  # ASF counts lengths in inches, divided by what it calls the unit of length
_ROOT_CHANNELS = ("tx", "ty", "tz", "rx", "ry", "rz")
# A limb's joint is where the bone of that name starts, but these are where it ends: the lower back
# starts at the root, and "thorax" means the base of the neck.
_AT_THE_END = ("spine", "thorax", "neck_base", "head")


@dataclass
class AcclaimSkeleton:
    """Parsed ASF file: J nodes, of which node 0 is the root.

    Attributes:
        names: J names, "root" first.
        parents: J indices, -1 for the root; a parent comes before its children.
        offsets: (J, 3) length times direction, file units; of the root its preset position.
        axes: J turns C.
        channels: J tuples of channel names in lower case, as the AMC file lists them.
        metres_per_unit: Length of one file unit.
        degrees: Whether angles are in degrees, else in radians.
    """

    names: list[str] = field(default_factory=lambda: ["root"])
    parents: list[int] = field(default_factory=lambda: [-1])
    offsets: np.ndarray = field(default_factory=lambda: np.zeros((1, 3)))
    axes: list[Rotation] = field(default_factory=lambda: [Rotation.identity()])
    channels: list[tuple[str, ...]] = field(default_factory=lambda: [_ROOT_CHANNELS])
    metres_per_unit: float = _INCH
    degrees: bool = True

    def positions(self, values: np.ndarray, degrees: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Forward kinematics of all frames at once.

        Args:
            values (np.ndarray): (T, D) channels of all nodes one after the other, file units and
                angles.
            degrees (bool): Whether the angles are in degrees, else in radians.

        Returns:
            tuple: Where each node starts and where it ends, both (T, J, 3) float64 in the file's
            axes and unit; the root starts and ends at its position.
        """
        starts, ends = (np.zeros((len(values), len(self.names), 3)) for _ in range(2))
        turned: list[Rotation] = []
        column = 0
        for node, (parent, names) in enumerate(zip(self.parents, self.channels, strict=True)):
            block = values[:, column : column + len(names)]
            column += len(names)
            turn = turned[parent] if parent >= 0 else Rotation.identity(len(values))
            order = [i for i, name in enumerate(names) if name[0] == "r"]
            if order:
                letters = "".join(names[i][1] for i in order)
                own = Rotation.from_euler(letters, block[:, order], degrees=degrees)
                turn = turn * self.axes[node] * own * self.axes[node].inv()
            turned.append(turn)
            if parent < 0:
                moving = [i for i, name in enumerate(names) if name[0] == "t"]
                ends[:, node] = self.offsets[node]
                ends[:, node, ["xyz".index(names[i][1]) for i in moving]] += block[:, moving]
                starts[:, node] = ends[:, node]
            else:
                starts[:, node] = ends[:, parent]
                ends[:, node] = starts[:, node] + turn.apply(self.offsets[node])
        return starts, ends


@dataclass
class _Bone:
    """A bone as its lines are read."""

    line: int
    name: str = ""
    direction: list[float] | None = None
    length: float | None = None
    angles: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    order: str = "xyz"
    channels: tuple[str, ...] = ()


def read_asf(path: str | Path) -> AcclaimSkeleton:
    """Parse a skeleton.

    Args:
        path (str | Path): ASF file.

    Returns:
        AcclaimSkeleton: The bones, parents before children.

    Raises:
        ValueError: The file is no ASF file or damaged; the message names the line.
    """
    path = Path(path)
    reader = _AsfReader()
    number = 0
    for number, words in _lines(path):
        if words[0].startswith(":"):
            reader.section = words[0][1:].lower()
            continue
        try:
            reader.take(number, words)
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"{path}, line {number}: {' '.join(words)!r} can't be read in the section "
                f":{reader.section} ({error})."
            ) from error
    try:
        return reader.skeleton()
    except ValueError as error:
        raise ValueError(f"{path}, line {number} (its last): {error}.") from error


def read_amc(path: str | Path, skeleton: AcclaimSkeleton) -> tuple[np.ndarray, bool]:
    """Parse a motion.

    Args:
        path (str | Path): AMC file.
        skeleton (AcclaimSkeleton): The skeleton that it moves.

    Returns:
        tuple: (T, D) channels in the skeleton's order, file units and angles; and whether the
        angles are in degrees.

    Raises:
        ValueError: The file is damaged or belongs to another skeleton; the message names the line.
    """
    path = Path(path)
    wanted = {
        name: len(names)
        for name, names in zip(skeleton.names, skeleton.channels, strict=True)
        if names
    }
    degrees = skeleton.degrees
    rows: list[list[float]] = []
    frame: dict[str, list[float]] | None = None
    first = number = 0
    for number, words in _lines(path):
        word = words[0]
        if word.startswith(":"):
            if word.upper() in (":DEGREES", ":RADIANS"):
                degrees = word.upper() == ":DEGREES"
        elif len(words) == 1 and word.isdigit():
            if frame is None:
                first = int(word)
            elif int(word) != first + len(rows) + 1:
                raise ValueError(
                    f"{path}, line {number}: frame {word} follows frame {first + len(rows)}; "
                    "frames are missing, copy the file again."
                )
            if frame is not None:
                rows.append(_whole_frame(frame, wanted, path, number))
            frame = {}
        elif frame is None:
            raise ValueError(f"{path}, line {number}: {word!r} stands before the first frame.")
        else:
            frame[word] = _bone_values(words, wanted, frame, f"{path}, line {number}")
    if frame is None:
        raise ValueError(f"{path} holds no frame: it is empty, cut short or no AMC file.")
    rows.append(_whole_frame(frame, wanted, path, number))
    values = np.array(rows)
    if not np.isfinite(values).all():
        bad = first + int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise ValueError(f"{path}: NaN or infinity in frame {bad}; leave such frames out.")
    return values, degrees


def joints_of_amc(
    skeleton: AcclaimSkeleton,
    values: np.ndarray,
    degrees: bool = True,
    source: str = "the ASF file",
) -> np.ndarray:
    """Positions of the 17 Human3.6M joints of an Acclaim motion.

    Limb joints are where the bone that is named after the limb starts (``lfemur`` at the left hip,
    ``lwrist`` at the left wrist). ``root`` is the middle of the hips as in Human3.6M; the file's
    own root lies about 9 cm above. ``spine`` is the end of the lower back, ``thorax`` the base of
    the neck, ``neck_base`` the base of the head and ``head`` its end.

    Args:
        skeleton (AcclaimSkeleton): Parsed ASF file.
        values (np.ndarray): (T, D) channels.
        degrees (bool): Whether the angles are in degrees, else in radians.
        source (str): Name of the file for messages.

    Returns:
        np.ndarray: (T, 17, 3) float64, axes and unit of the file.

    Raises:
        ValueError: The bones have other names than CMU's.
    """
    try:
        nodes = skeleton_from_names(skeleton.names)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    starts, ends = skeleton.positions(values, degrees)
    at_end = np.isin(H36M17.joint_names, _AT_THE_END)[:, None]
    joints = np.where(at_end, ends[:, nodes], starts[:, nodes])
    hips = [H36M17.index(name) for name in ("left_hip", "right_hip")]
    joints[:, H36M17.index("root")] = joints[:, hips].mean(axis=1)
    return joints


def find_asf(path: str | Path) -> Path:
    """The skeleton of a motion: ``07.asf`` beside ``07_01.amc``, or the folder's only one.

    Args:
        path (str | Path): AMC file.

    Returns:
        Path: ASF file.

    Raises:
        FileNotFoundError: There is none, or several and none of that name.
    """
    path = Path(path)
    found = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".asf")
    stem = path.stem.lower()
    named = [p for p in found if stem == p.stem.lower() or stem.startswith(f"{p.stem.lower()}_")]
    if named:
        return max(named, key=lambda p: len(p.stem))
    if len(found) == 1:
        return found[0]
    there = f"only {', '.join(p.name for p in found)}" if found else "no ASF file"
    raise FileNotFoundError(
        f"{path} needs its skeleton {path.stem.split('_')[0]}.asf in the same folder, where there "
        f"is {there}."
    )


class _AsfReader:
    """What the lines of an ASF file have told so far."""

    def __init__(self):
        self.section = ""
        self.inside = False  # between "begin" and "end"
        self.units = {"length": 1.0, "angle": "deg"}
        self.root = _Bone(0, "root", [0.0, 0.0, 0.0], 1.0, channels=_ROOT_CHANNELS)
        self.bones: list[_Bone] = []
        self.parent_of: dict[str, str] = {}

    def take(self, number: int, words: list[str]) -> None:
        """Read one line."""
        reader = getattr(self, f"_take_{self.section}", None)
        if reader is not None:
            reader(number, words[0].lower(), words[1:])

    def _take_units(self, number: int, key: str, words: list[str]) -> None:
        if key == "length":
            self.units[key] = float(words[0])
            if not (np.isfinite(self.units[key]) and self.units[key] > 0):
                raise ValueError("the unit of length must be positive")
        elif key == "angle":
            if words[0].lower() not in ("deg", "rad"):
                raise ValueError("angle must be deg or rad")
            self.units[key] = words[0].lower()

    def _take_root(self, number: int, key: str, words: list[str]) -> None:
        if key == "order":
            self.root.channels = _channels(words, "tr")
        elif key == "axis":
            self.root.order = _axis_order(words[0])
        elif key == "position":
            self.root.direction = _three(words)
        elif key == "orientation":
            self.root.angles = _three(words)

    def _take_bonedata(self, number: int, key: str, words: list[str]) -> None:
        if key == "begin":
            if self.inside:
                raise ValueError(f"the bone of line {self.bones[-1].line} has no 'end'")
            self.inside = True
            self.bones.append(_Bone(number))
            return
        if not self.inside:
            raise ValueError("it stands outside of 'begin' and 'end'")
        bone = self.bones[-1]
        if key == "end":
            self.inside = False
            lacking = [k for k in ("name", "direction", "length") if not _has(bone, k)]
            if lacking:
                raise ValueError(f"the bone of line {bone.line} lacks its {', '.join(lacking)}")
        elif key == "name":
            if words[0] in ("root", *(other.name for other in self.bones)):
                raise ValueError("a second bone of this name")
            bone.name = words[0]
        elif key == "direction":
            bone.direction = _three(words)
        elif key == "length":
            bone.length = float(words[0])
        elif key == "axis":
            bone.angles = _three(words)
            bone.order = _axis_order(words[3]) if len(words) > 3 else "xyz"
        elif key == "dof":
            bone.channels = _channels(words, "r")

    def _take_hierarchy(self, number: int, key: str, words: list[str]) -> None:
        if key in ("begin", "end"):
            self.inside = key == "begin"
            return
        names = {"root": "root"} | {bone.name.lower(): bone.name for bone in self.bones}
        unknown = [word for word in (key, *words) if word.lower() not in names]
        if unknown:
            raise ValueError(f"there is no bone {', '.join(unknown)} in :bonedata")
        for word in words:
            child = names[word.lower()]
            if child == "root" or child in self.parent_of:
                raise ValueError(f"{word} already has a place in the tree")
            self.parent_of[child] = names[key]

    def skeleton(self) -> AcclaimSkeleton:
        """The whole tree; raises ValueError where something lacks."""
        if not self.bones:
            raise ValueError("no bones: the file is cut short or no ASF file")
        if self.inside:
            raise ValueError(f"the last 'begin' of :{self.section} has no 'end': cut short")
        known = {bone.name: bone for bone in self.bones} | {"root": self.root}
        loose = [name for name in known if name != "root" and name not in self.parent_of]
        if loose:
            raise ValueError(f":hierarchy does not say where {', '.join(loose)} belongs")
        # Breadth first: a parent comes before its children.
        names = ["root"]
        for name in names:
            names += [child for child, parent in self.parent_of.items() if parent == name]
        if len(names) != len(known):
            raise ValueError(f":hierarchy hangs {set(known) - set(names)} in a ring, not on root")
        nodes = [known[name] for name in names]
        degrees = self.units["angle"] == "deg"
        return AcclaimSkeleton(
            names,
            [-1, *(names.index(self.parent_of[name]) for name in names[1:])],
            np.array([np.array(node.direction) * node.length for node in nodes]),
            [Rotation.from_euler(node.order, node.angles, degrees=degrees) for node in nodes],
            [node.channels for node in nodes],
            _INCH / self.units["length"],
            degrees,
        )


def _has(bone: _Bone, key: str) -> bool:
    return getattr(bone, key) not in (None, "")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and words of every line that has some; brackets and commas count as blanks."""
    text = path.read_text(encoding="utf-8", errors="replace")
    table = str.maketrans("(),", "   ")
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].translate(table).split()
        if words:
            yield number, words


def _three(words: list[str]) -> list[float]:
    numbers = [float(word) for word in words[:3]]
    if len(numbers) < 3 or not np.isfinite(numbers).all():
        raise ValueError("three numbers are needed")
    return numbers


def _axis_order(word: str) -> str:
    if sorted(word.lower()) != ["x", "y", "z"]:
        raise ValueError(f"the order of axes must be like XYZ, not {word}")
    return word.lower()


def _channels(words: list[str], kinds: str) -> tuple[str, ...]:
    """Channel names in lower case, checked; ``kinds``: "r" turns, "t" shifts."""
    names = tuple(word.lower() for word in words)
    bad = [name for name in names if len(name) != 2 or name[0] not in kinds or name[1] not in "xyz"]
    if bad or len(set(names)) != len(names):
        raise ValueError(
            f"channels {' '.join(words)} are not read, only "
            + " and ".join(f"{kind}x {kind}y {kind}z" for kind in kinds)
        )
    return names


def _bone_values(
    words: list[str], wanted: dict[str, int], frame: dict[str, list[float]], where: str
) -> list[float]:
    """The numbers of one line of an AMC file."""
    name, count = words[0], len(words) - 1
    if name not in wanted:
        raise ValueError(
            f"{where}: the skeleton has no moving bone {name!r}; is the ASF file of this person "
            "beside it?"
        )
    if name in frame:
        raise ValueError(f"{where}: {name} a second time in one frame.")
    if count != wanted[name]:
        raise ValueError(
            f"{where}: {name} has {count} numbers, but {wanted[name]} degrees of freedom in the "
            "ASF file; the line is cut short, or the skeleton is another person's."
        )
    try:
        return [float(word) for word in words[1:]]
    except ValueError as error:
        raise ValueError(f"{where}: {error}.") from error


def _whole_frame(
    frame: dict[str, list[float]], wanted: dict[str, int], path: Path, number: int
) -> list[float]:
    """All channels of a frame in the skeleton's order."""
    missing = [name for name in wanted if name not in frame]
    if missing:
        raise ValueError(
            f"{path}, line {number}: the frame that ends here lacks {', '.join(missing)}; the file "
            "is cut short, copy it again."
        )
    return [value for name in wanted for value in frame[name]]
