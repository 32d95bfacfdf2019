"""Bodies of the synthetic people: shape, skinning segments, joints and part labels.

Symbols: V body vertices (13,718), S = 19 rigid segments, K = 17 joints (Human3.6M order).
Rest frame: metres, x = person's left, y = person's back, z = up (the frame of ``anny``).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Segment name -> (parent segment, bone whose head is the pivot, prefixes of the bones it moves).
_MIDDLE_SEGMENTS = {
    "pelvis": (None, "root", ("root", "pelvis", "spine05")),
    "abdomen": ("pelvis", "spine04", ("spine04", "spine03")),
    "chest": ("abdomen", "spine02", ("spine02", "spine01")),
    "neck": ("chest", "neck01", ("neck",)),
    "head": ("neck", "head", ("head", "eye")),
}
_SIDE_SEGMENTS = {
    "clavicle": ("chest", "clavicle", ("clavicle", "shoulder")),
    "upper_arm": ("clavicle", "upperarm01", ("upperarm",)),
    "forearm": ("upper_arm", "lowerarm01", ("lowerarm",)),
    "hand": ("forearm", "wrist", ("wrist", "finger", "metacarpal")),
    "thigh": ("pelvis", "upperleg01", ("upperleg",)),
    "shank": ("thigh", "lowerleg01", ("lowerleg",)),
    "foot": ("shank", "foot", ("foot", "toe")),
}


def _segment_table() -> dict[str, tuple[str | None, str, tuple[str, ...]]]:
    """All segments, parents before children, sides named ``left_*`` and ``right_*``."""
    table = dict(_MIDDLE_SEGMENTS)
    for side, suffix in (("left", ".L"), ("right", ".R")):
        for name, (parent, pivot, prefixes) in _SIDE_SEGMENTS.items():
            sided_parent = f"{side}_{parent}" if parent in _SIDE_SEGMENTS else parent
            table[f"{side}_{name}"] = (sided_parent, pivot + suffix, prefixes)
    return table


SEGMENTS = _segment_table()
SEGMENT_NAMES = tuple(SEGMENTS)
SEGMENT_PARENTS = tuple(
    -1 if parent is None else SEGMENT_NAMES.index(parent) for parent, _, _ in SEGMENTS.values()
)

# Part label (pixel value of the label images) of each segment; see PART_NAMES in geometry.
_PART_OF_SEGMENT = {
    "head": 1,
    "neck": 1,
    "pelvis": 2,
    "abdomen": 2,
    "chest": 2,
    "left_clavicle": 2,
    "right_clavicle": 2,
    "left_upper_arm": 3,
    "left_forearm": 4,
    "left_hand": 5,
    "right_upper_arm": 6,
    "right_forearm": 7,
    "right_hand": 8,
    "left_thigh": 9,
    "left_shank": 10,
    "left_foot": 11,
    "right_thigh": 12,
    "right_shank": 13,
    "right_foot": 14,
}
SEGMENT_PART_LABELS = np.array([_PART_OF_SEGMENT[name] for name in SEGMENT_NAMES], np.uint8)

# Segment that carries each Human3.6M joint.
_JOINT_SEGMENTS = (
    "pelvis",
    "pelvis",
    "right_thigh",
    "right_shank",
    "pelvis",
    "left_thigh",
    "left_shank",
    "abdomen",
    "chest",
    "head",
    "head",
    "left_clavicle",
    "left_upper_arm",
    "left_forearm",
    "right_clavicle",
    "right_upper_arm",
    "right_forearm",
)
JOINT_SEGMENTS = np.array([SEGMENT_NAMES.index(name) for name in _JOINT_SEGMENTS])


@dataclass(frozen=True)
class RestBody:
    """One person's body in the rest pose (arms 45 degrees down).

    Attributes:
        vertices: (V, 3) metres, rest frame.
        normals: (V, 3) unit outward normals.
        faces: (F, 3) int, counter-clockwise seen from outside.
        weights: (V, S) skinning weights, rows sum to 1.
        pivots: (S, 3) metres, where each segment turns about its parent.
        joints: (17, 3) metres, Human3.6M joints.
        segments: (V,) int, the segment that moves each vertex most.
        eyes: (V,) bool, vertices of the eyeballs.
    """

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    pivots: np.ndarray
    joints: np.ndarray
    segments: np.ndarray
    eyes: np.ndarray

    @property
    def part_labels(self) -> np.ndarray:
        """(V,) uint8 part label 1..14 of every vertex."""
        return SEGMENT_PART_LABELS[self.segments]

    @property
    def stature(self) -> float:
        """Height in metres, crown to sole."""
        return float(np.ptp(self.vertices[:, 2]))

    @property
    def leg_length(self) -> float:
        """Hip to ankle in metres, along the bones, mean of both legs."""
        hip, knee, ankle = self.joints[[1, 4]], self.joints[[2, 5]], self.joints[[3, 6]]
        return float(
            np.mean(np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1))
        )


class BodyModel:
    """Shape space of the bodies: phenotype values in, :class:`RestBody` out.

    Args:
        arrays: the arrays written by :func:`body_file.build_body_file`.
    """

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._arrays = arrays
        self.phenotype_labels = tuple(str(name) for name in arrays["phenotype_labels"])

    @classmethod
    def load(cls, path: str | Path) -> "BodyModel":
        """Read a file of :func:`body_file.build_body_file`."""
        with np.load(path, allow_pickle=False) as data:
            return cls({key: data[key] for key in data.files})

    def blendshape_coefficients(self, phenotype: dict[str, float]) -> np.ndarray:
        """(N,) coefficients of the compact blend shapes; what ``anny`` computes, for one person.

        Args:
            phenotype: value in [0, 1] per name of ``phenotype_labels``; absent names are 0.5.

        Raises:
            ValueError: for a name that the body does not have.
        """
        unknown = sorted(set(phenotype) - set(self.phenotype_labels))
        if unknown:
            raise ValueError(
                f"unknown phenotype {', '.join(unknown)}; known: {', '.join(self.phenotype_labels)}"
            )
        arrays = self._arrays
        columns = []
        for group in arrays["phenotype_groups"]:
            anchors = arrays[f"anchors_{group}"]
            if group == "race":
                columns.append(np.full(len(anchors), 1 / len(anchors)))
                continue
            # Hat functions: 1 at the own anchor, linear to 0 at its neighbours.
            value = np.clip(phenotype.get(str(group), 0.5), anchors[0], anchors[-1])
            columns.extend([_hat_weights(value, anchors)])
        values = np.concatenate(columns)
        mask = arrays["phenotype_mask"]
        return np.prod(values * mask + (1 - mask), axis=1) @ arrays["phenotype_projection"]

    def rest_body(self, phenotype: dict[str, float]) -> RestBody:
        """The body of a phenotype in its rest pose."""
        arrays = self._arrays
        coefficients = self.blendshape_coefficients(phenotype)
        vertices = arrays["template_vertices"] + np.einsum(
            "n,nvc->vc", coefficients, arrays["blendshapes"], optimize=False
        )
        bones = arrays["template_bones"] + np.einsum(
            "n,nbc->bc", coefficients, arrays["bone_blendshapes"], optimize=False
        )
        bone = {str(name): bones[i] for i, name in enumerate(arrays["bone_labels"])}
        pivots = np.stack([bone[pivot] for _, pivot, _ in SEGMENTS.values()])
        weights, faces = arrays["segment_weights"], arrays["faces"]
        segments = weights.argmax(axis=1)
        return RestBody(
            vertices=vertices,
            normals=vertex_normals(vertices, faces),
            faces=faces,
            weights=weights,
            pivots=pivots,
            joints=_rest_joints(vertices, segments, bone),
            segments=segments,
            eyes=arrays["eyes"],
        )

    def phenotype_of_stature(self, phenotype: dict[str, float], stature: float) -> dict[str, float]:
        """``phenotype`` with its ``height`` set so that the body is ``stature`` metres tall.

        Vertices are linear in ``height`` between its anchors, and so (but for a change of the
        topmost or lowest vertex) is the stature: two evaluations give the answer.
        """
        low, high = (self.rest_body({**phenotype, "height": value}).stature for value in (0.3, 0.7))
        height = 0.3 + 0.4 * (stature - low) / max(high - low, 1e-6)
        return {**phenotype, "height": float(np.clip(height, 0.05, 0.95))}


def _hat_weights(value: float, anchors: np.ndarray) -> np.ndarray:
    """Weights (A,) of linear interpolation between sorted ``anchors`` (A,)."""
    return np.array([np.interp(value, anchors, row) for row in np.eye(len(anchors))])


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit vertex normals (V, 3) of a mesh (V, 3), (F, 3)."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(face_normals[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _rest_joints(
    vertices: np.ndarray, segments: np.ndarray, bone: dict[str, np.ndarray]
) -> np.ndarray:
    """Human3.6M joints (17, 3) of a rest body, at the places the motion capture uses."""
    hips = np.stack([bone["upperleg01.R"], bone["upperleg01.L"]])
    shoulders = np.stack([bone["upperarm01.R"], bone["upperarm01.L"]])
    root = hips.mean(axis=0)
    # Thorax: between the shoulders, a little below the base of the neck.
    thorax = 0.5 * shoulders.mean(axis=0) + 0.5 * bone["neck01"]
    # Mid-spine: the height half-way to the thorax, at the depth of the vertebrae there.
    spine = 0.5 * (root + thorax)
    spine[1] = bone["spine03"][1]
    head_vertices = vertices[segments == SEGMENT_NAMES.index("head")]
    crown = head_vertices[head_vertices[:, 2].argmax()].copy()
    crown[0] = 0.0
    # "Neck / nose" of Human3.6M: half-way from thorax to crown, in front of the spine.
    neck_base = 0.5 * (thorax + crown)
    neck_base[0], neck_base[1] = 0.0, 0.5 * (bone["head"][1] + head_vertices[:, 1].min())
    return np.stack(
        [
            root,
            hips[0],
            bone["lowerleg01.R"],
            bone["foot.R"],
            hips[1],
            bone["lowerleg01.L"],
            bone["foot.L"],
            spine,
            thorax,
            neck_base,
            crown,
            shoulders[1],
            bone["lowerarm01.L"],
            bone["wrist.L"],
            shoulders[0],
            bone["lowerarm01.R"],
            bone["wrist.R"],
        ]
    )


def sample_phenotype(model: BodyModel, rng: np.random.Generator) -> tuple[dict[str, float], dict]:
    """A random build, and a description of the person in words and numbers.

    Statures are drawn around 1.77 m (men) and 1.64 m (women) with 7 cm spread; one in ten people
    is a child of 1.25 to 1.55 m.

    Returns:
        phenotype values for :meth:`BodyModel.rest_body`, and a JSON-able description.
    """
    female = bool(rng.random() < 0.5)
    child = bool(rng.random() < 0.1)
    # Anchors of anny: 1/3 child, 2/3 young adult, 1 old.
    age = rng.uniform(0.36, 0.5) if child else rng.uniform(0.6, 0.97)
    stature = (
        rng.uniform(1.25, 1.55)
        if child
        else float(np.clip(rng.normal(1.64 if female else 1.77, 0.07), 1.48, 1.98))
    )
    phenotype = {
        "gender": float(np.clip(rng.normal(0.9 if female else 0.1, 0.1), 0, 1)),
        "age": float(age),
        "muscle": float(rng.uniform(0.25, 0.8)),
        "weight": float(np.clip(rng.normal(0.5, 0.2), 0.1, 0.95)),
        "proportions": float(rng.uniform(0.3, 0.8)),
    }
    phenotype = model.phenotype_of_stature(phenotype, stature)
    group = "child" if child else ("older adult" if age > 0.85 else "adult")
    description = {"sex": "female" if female else "male", "age_group": group}
    description["phenotype"] = {key: round(value, 4) for key, value in phenotype.items()}
    return phenotype, description
