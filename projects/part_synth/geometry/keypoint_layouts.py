"""2D keypoint layouts of other data sets and detectors, and the 17 Human3.6M joints in them.

Each Human3.6M joint is a weighted mean of a layout's joints. Limbs are the same joints under other
names. Along the trunk, where no layout but Human3.6M's own has the same joints:

- ``root`` is the middle of the hips, ``thorax`` the middle of the shoulders, ``spine`` lies 45 % of
  the way from root to thorax (Human3.6M 47 %, CMU 43 %);
- with a face (COCO and its kin): ``head`` is the mean of eyes and ears, ``neck_base`` the middle of
  nose and thorax. mmpose's ``convert_keypoint_definition`` takes the middle of the eyes, and the
  nose. Seen from the shoulders of an average body of the embedded data set, its head is 7 cm away
  from where CMU has it and 5 cm from Human3.6M's (of which four frames were at hand), its neck base
  13 and 10 cm; ours are 3 and 4 cm, 5 and 3 cm away;
- with a neck and the top of the head (AIC, CrowdPose): 1/4 and 7/12 of the way from neck to top, as
  in mmpose.

So ``spine``, ``neck_base`` and ``head`` are approximations everywhere but in 'h36m'.

Symbols: L joints of a layout.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ._common import as_points, full_precision
from .skeleton import H36M17

_SPINE_SHARE = 0.45
_LIMBS = {
    f"{side}_{joint}": f"{side}_{'ankle' if joint == 'foot' else joint}"
    for side in ("left", "right")
    for joint in ("hip", "knee", "foot", "shoulder", "elbow", "wrist")
}


@dataclass(frozen=True)
class KeypointLayout:
    """Order of 2D joints, and how the 17 Human3.6M joints follow from them.

    Args:
        name: Name of the layout.
        joint_names: Names of the joints that are used, the first ones of the layout.
        num_joints: L; joints beyond the named ones (face, hands) are not used.
        recipe: Weights of the layout's joints for each Human3.6M joint, by name; they sum to 1.

    Raises:
        ValueError: The recipe names other joints, or its weights do not sum to 1.
    """

    name: str
    joint_names: tuple[str, ...]
    num_joints: int
    recipe: Mapping[str, Mapping[str, float]]

    def __post_init__(self):
        if set(self.recipe) != set(H36M17.joint_names):
            raise ValueError(
                f"{self.name}: the recipe must name the 17 Human3.6M joints, got "
                f"{', '.join(self.recipe)}."
            )
        used = {name for weights in self.recipe.values() for name in weights}
        if not used <= set(self.joint_names) or len(self.joint_names) > self.num_joints:
            raise ValueError(
                f"{self.name}: no joints {', '.join(sorted(used - set(self.joint_names)))} among "
                f"the {self.num_joints} joints {', '.join(self.joint_names)}."
            )
        sums = {joint: sum(weights.values()) for joint, weights in self.recipe.items()}
        if any(abs(total - 1.0) > 1e-9 for total in sums.values()):
            raise ValueError(f"{self.name}: the weights of a joint must sum to 1, got {sums}.")

    @functools.cached_property
    def weights(self) -> Tensor:
        """(17, L) float64; rows sum to 1."""
        weights = torch.zeros(H36M17.num_joints, self.num_joints, dtype=torch.float64)
        for joint, parts in self.recipe.items():
            for name, weight in parts.items():
                weights[H36M17.index(joint), self.joint_names.index(name)] = weight
        return weights


def _middle(*names: str) -> dict[str, float]:
    return {name: 1.0 / len(names) for name in names}


def _between(start: Mapping[str, float], end: Mapping[str, float], share: float) -> dict:
    """A joint ``share`` of the way from start to end."""
    names = dict.fromkeys([*start, *end])
    return {n: (1 - share) * start.get(n, 0.0) + share * end.get(n, 0.0) for n in names}


_HIPS = _middle("left_hip", "right_hip")
_SHOULDERS = _middle("left_shoulder", "right_shoulder")
# Trunk and head; the limbs are added to each.
_FACE = {
    "root": _HIPS,
    "spine": _between(_HIPS, _SHOULDERS, _SPINE_SHARE),
    "thorax": _SHOULDERS,
    "neck_base": _between(_SHOULDERS, {"nose": 1.0}, 0.5),
    "head": _middle("left_eye", "right_eye", "left_ear", "right_ear"),
}
_NECK_AND_TOP = {
    **_FACE,
    "neck_base": {"neck": 3 / 4, "head_top": 1 / 4},
    "head": {"neck": 5 / 12, "head_top": 7 / 12},
}
_MPII = {
    "root": {"pelvis": 1.0},
    "spine": _between({"pelvis": 1.0}, {"thorax": 1.0}, _SPINE_SHARE),
    "thorax": {"thorax": 1.0},
    "neck_base": {"upper_neck": 1.0},
    "head": {"thorax": 5 / 12, "head_top": 7 / 12},
}
# "head_bottom" is where skull and neck meet.
_POSETRACK = {
    **_FACE,
    "neck_base": {"head_bottom": 1.0},
    "head": _middle("head_bottom", "head_top"),
}
# By meaning, as in the data set's own loader (part_synth.datasets.mpi_inf_3dhp).
_3DHP = {
    "root": {"root": 1.0},
    "spine": {"spine": 1.0},
    "thorax": {"neck": 1.0},
    "neck_base": {"head": 1.0},
    "head": {"head_top": 1.0},
}

_COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle"
)
_OPENPOSE_ARMS = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist"
)
_OPENPOSE_LEGS = "right_hip right_knee right_ankle left_hip left_knee left_ankle"
_OPENPOSE_FACE = "right_eye left_eye right_ear left_ear"


def _layout(name: str, joint_names: str, trunk: dict, num_joints: int | None = None):
    names = tuple(joint_names.split())
    limbs = {joint: {other: 1.0} for joint, other in _LIMBS.items()}
    return KeypointLayout(name, names, num_joints or len(names), {**limbs, **trunk})


KEYPOINT_LAYOUTS: dict[str, KeypointLayout] = {
    layout.name: layout
    for layout in (
        KeypointLayout(
            "h36m", H36M17.joint_names, 17, {name: {name: 1.0} for name in H36M17.joint_names}
        ),
        _layout("coco", _COCO, _FACE),
        _layout("coco_wholebody", _COCO, _FACE, 133),
        _layout("halpe26", _COCO, _FACE, 26),
        _layout("halpe136", _COCO, _FACE, 136),
        _layout("body25", f"{_OPENPOSE_ARMS} mid_hip {_OPENPOSE_LEGS} {_OPENPOSE_FACE}", _FACE, 25),
        _layout("openpose18", f"{_OPENPOSE_ARMS} {_OPENPOSE_LEGS} {_OPENPOSE_FACE}", _FACE),
        _layout(
            "mpii",
            "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax "
            "upper_neck head_top right_wrist right_elbow right_shoulder left_shoulder left_elbow "
            "left_wrist",
            _MPII,
        ),
        _layout(
            "mpi_inf_3dhp",
            "head_top neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
            "left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle root spine "
            "head",
            _3DHP,
        ),
        _layout(
            "aic",
            "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip "
            "right_knee right_ankle left_hip left_knee left_ankle head_top neck",
            _NECK_AND_TOP,
        ),
        _layout(
            "crowdpose",
            "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip "
            "right_hip left_knee right_knee left_ankle right_ankle head_top neck",
            _NECK_AND_TOP,
        ),
        _layout(
            "posetrack18",
            "nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow "
            "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
            "right_ankle",
            _POSETRACK,
        ),
    )
}
"""The layouts by name; 'openpose18' is OpenPose's COCO model, 'halpe136' Halpe's whole body."""

# Other names, mostly what mmpose calls data sets of the same layout.
_ALIASES = {
    "coco18": "openpose18",
    "coco_openpose": "openpose18",
    "coco25": "body25",
    "halpe": "halpe136",
    "h3wb": "coco_wholebody",
    "ubody2d": "coco_wholebody",
    "human-art": "coco",
    "humanart": "coco",
    "ochuman": "coco",
    "mpi-inf-3dhp": "mpi_inf_3dhp",
    "human3.6m": "h36m",
}


def keypoint_layout(name: str) -> KeypointLayout:
    """A layout by its name, or by the name of a data set that mmpose gives this layout.

    Args:
        name: Such as 'coco'; case does not matter.

    Returns:
        KeypointLayout: The layout.

    Raises:
        ValueError: There is none of this name; the message lists the names.
    """
    plain = str(name).lower()
    found = KEYPOINT_LAYOUTS.get(_ALIASES.get(plain, plain))
    if found is None:
        raise ValueError(
            f"No keypoint layout is called {name!r}; the layouts are: "
            f"{', '.join(f'{n} ({layout.num_joints})' for n, layout in KEYPOINT_LAYOUTS.items())}."
        )
    return found


def layouts_of_size(num_joints: int) -> list[str]:
    """Names of the layouts with this many joints."""
    return [name for name, layout in KEYPOINT_LAYOUTS.items() if layout.num_joints == num_joints]


@full_precision
def to_h36m17(
    keypoints: Tensor, visible: Tensor | None = None, layout: str = "coco"
) -> tuple[Tensor, Tensor]:
    """The 17 Human3.6M joints of 2D keypoints.

    A joint is missing if one of the keypoints that it is made of is missing.

    Args:
        keypoints: (*, L, 2) any unit.
        visible: (*, L) bool; None = those that are finite. A keypoint that is not finite is missing
            in any case.
        layout: Name of the keypoints' layout, see :data:`KEYPOINT_LAYOUTS`.

    Returns:
        keypoints (*, 17, 2), NaN where a joint is missing, and visible (*, 17), bool.

    Raises:
        ValueError: The layout is unknown, or has another number of joints.

    Example:
        >>> points, visible = to_h36m17(torch.rand(5, 17, 2), layout="coco")
        >>> points.shape, bool(visible.all())
        (torch.Size([5, 17, 2]), True)
    """
    known = keypoint_layout(layout)
    keypoints = as_points(keypoints, "keypoints", (None, 2))
    count = keypoints.shape[-2]
    if count != known.num_joints:
        fitting = layouts_of_size(count)
        others = f"layouts of {count}: {', '.join(fitting)}" if fitting else f"none has {count}"
        raise ValueError(
            f"Layout {known.name!r} has {known.num_joints} joints, got keypoints of {count} "
            f"({others}); name the layout that the keypoints have."
        )
    finite = torch.isfinite(keypoints).all(-1)
    visible = finite if visible is None else visible.bool() & finite
    weights = known.weights.to(keypoints)
    # Missing keypoints have no weight where they are not used; NaN times 0 is NaN.
    points = weights @ torch.where(visible.unsqueeze(-1), keypoints, 0.0)
    needed = (weights != 0).to(keypoints.dtype)
    missing = (visible.logical_not().to(keypoints.dtype) @ needed.mT) > 0
    return torch.where(missing.unsqueeze(-1), torch.nan, points), ~missing
