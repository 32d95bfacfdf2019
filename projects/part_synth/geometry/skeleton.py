"""The 17-joint Human3.6M skeleton, the 15 part labels, and joint names of other data sets."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """A tree of named joints.

    Args:
        joint_names: One name per joint.
        parents: Index of each joint's parent, -1 for the root. A parent comes before its children.
        left_right_pairs: Pairs (left joint, right joint) exchanged by a mirror.

    Raises:
        ValueError: lengths differ, names repeat, a parent comes after its child, there is not
            exactly one root (joint 0), or a pair names a joint twice.
    """

    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    left_right_pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        if len(self.joint_names) != len(self.parents):
            raise ValueError(
                f"A skeleton needs one parent per joint, got {len(self.joint_names)} names and "
                f"{len(self.parents)} parents."
            )
        if len(set(self.joint_names)) != len(self.joint_names):
            raise ValueError(f"Joint names must differ from each other, got {self.joint_names}.")
        roots = [j for j, parent in enumerate(self.parents) if parent < 0]
        if roots != [0]:
            raise ValueError(f"Exactly joint 0 must be the root (parent -1), got roots {roots}.")
        late = [j for j, parent in enumerate(self.parents) if parent >= j]
        if late:
            raise ValueError(f"Parents must come before their children; joints {late} break that.")
        paired = [j for pair in self.left_right_pairs for j in pair]
        if len(set(paired)) != len(paired) or any(not 0 <= j < len(self.parents) for j in paired):
            raise ValueError(
                "left_right_pairs must name existing joints once each, got "
                f"{self.left_right_pairs}."
            )

    @property
    def num_joints(self) -> int:
        """Number of joints K."""
        return len(self.joint_names)

    @property
    def limbs(self) -> list[tuple[int, int]]:
        """K - 1 pairs (parent, child), ordered by child 1 .. K-1."""
        return [(parent, child) for child, parent in enumerate(self.parents) if parent >= 0]

    @functools.cached_property
    def levels(self) -> list[list[int]]:
        """Joints by depth in the tree; ``levels[0]`` is the root alone."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return [
            [joint for joint, depth in enumerate(depths) if depth == level]
            for level in range(max(depths) + 1)
        ]

    @functools.cached_property
    def flip_indices(self) -> list[int]:
        """``joints[..., flip_indices, :]`` exchanges left and right."""
        indices = list(range(self.num_joints))
        for left, right in self.left_right_pairs:
            indices[left], indices[right] = right, left
        return indices

    def index(self, name: str) -> int:
        """Index of a joint by its name.

        Raises:
            ValueError: there is no such joint; the message lists the names.
        """
        try:
            return self.joint_names.index(name)
        except ValueError:
            raise ValueError(
                f"No joint {name!r}; the joints are: {', '.join(self.joint_names)}."
            ) from None


H36M17 = Skeleton(
    joint_names=(
        "root",
        "right_hip",
        "right_knee",
        "right_foot",
        "left_hip",
        "left_knee",
        "left_foot",
        "spine",
        "thorax",
        "neck_base",
        "head",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
    ),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    left_right_pairs=((4, 1), (5, 2), (6, 3), (11, 14), (12, 15), (13, 16)),
)
"""Joint order of Human3.6M as mmpose stores it ("foot" is the ankle)."""

PART_NAMES = (
    "background",
    "head",
    "torso",
    "left_upper_arm",
    "left_forearm",
    "left_hand",
    "right_upper_arm",
    "right_forearm",
    "right_hand",
    "left_thigh",
    "left_shank",
    "left_foot",
    "right_thigh",
    "right_shank",
    "right_foot",
)
"""Pixel values of the label images and channel order of part maps."""

PART_FLIP_INDICES = (0, 1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11)
"""Part label (or channel) that each one becomes in a mirrored image."""

# Other data sets' names, without case, blanks and underscores. CMU's ASF bones and the usual BVH
# joints are named by the segment that STARTS at the joint (LeftArm starts at the shoulder).
_SIDE_ALIASES = {
    "hip": ("hip", "upleg", "upperleg", "femur", "thigh"),
    "knee": ("knee", "leg", "lowerleg", "tibia", "shin"),
    "foot": ("foot", "ankle"),
    "shoulder": ("shoulder", "arm", "upperarm", "humerus"),
    "elbow": ("elbow", "forearm", "lowerarm", "radius"),
    "wrist": ("wrist", "hand"),
}
_CENTRE_ALIASES = {
    "root": ("root", "hips", "pelvis"),
    "spine": ("spine", "lowerback", "belly"),
    "thorax": ("thorax", "neck", "upperchest"),
    "neck_base": ("neckbase", "nose", "neck1", "upperneck"),
    "head": ("headtop", "head", "topofhead"),
}


def _alias_table() -> dict[str, tuple[str, ...]]:
    """Accepted plain names of every H36M17 joint, best first."""
    table = {}
    for joint in H36M17.joint_names:
        if joint in _CENTRE_ALIASES:
            table[joint] = _CENTRE_ALIASES[joint]
            continue
        side, part = joint.split("_")
        table[joint] = tuple(
            prefix + alias for alias in _SIDE_ALIASES[part] for prefix in (side, side[0])
        )
    return table


def skeleton_from_names(names: Sequence[str]) -> list[int]:
    """Find the 17 Human3.6M joints among another data set's joint names.

    Knows the names of Human3.6M, MPI-INF-3DHP (as mmpose writes them), CMU (ASF bones) and common
    BVH files. In a set with both ``head_top`` and ``head`` (MPI-INF-3DHP) the former is our
    ``head`` and the latter our ``neck_base``, as is usual when the two are compared. ASF and BVH
    joints match ours only roughly at spine, neck and head.

    Args:
        names: Joint names in the order of the other data set.

    Returns:
        17 indices ``order``, so that ``joints[..., order, :]`` is in H36M17 order.

    Raises:
        ValueError: a joint is missing or a name appears twice; the message lists the names.
    """
    plain = [re.sub(r"[^a-z0-9]", "", str(name).lower()) for name in names]
    if len(set(plain)) != len(plain):
        raise ValueError(f"Joint names must differ from each other, got {list(names)}.")
    aliases = _alias_table()
    if "headtop" in plain and "head" in plain and "neckbase" not in plain:
        aliases["neck_base"] = ("head",)
    order, missing = [], []
    for joint in H36M17.joint_names:
        found = [plain.index(alias) for alias in aliases[joint] if alias in plain]
        if found:
            order.append(found[0])
        else:
            missing.append(joint)
    if missing:
        raise ValueError(
            f"Cannot find {', '.join(missing)} among the joint names {list(names)}; rename them to "
            f"the Human3.6M names ({', '.join(H36M17.joint_names)})."
        )
    return order
