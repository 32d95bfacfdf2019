"""The file of body arrays: built once per machine from ``anny``, kept in the user's cache folder.

``anny`` (Apache-2.0 code, CC0 MakeHuman data) takes most of a minute and some 830 MB of temporary
disk to construct its first body; the few arrays needed here are a file of 25 MB.
"""

import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from part_synth.datasets.synthetic.bodies import SEGMENT_NAMES, SEGMENTS, BodyModel

BODY_FILE_VERSION = 1
_ANNY_TEMPORARY_BYTES = 900_000_000


def body_cache_file() -> Path:
    """Where the body arrays are kept: ``PART_SYNTH_CACHE_DIR`` or the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("PART_SYNTH_CACHE_DIR") or Path(home) / "part_synth")
    return folder / f"body_v{BODY_FILE_VERSION}.npz"


def ensure_body_file() -> Path:
    """The path of the body arrays, built first if they are not there (once, about a minute).

    Raises:
        OSError: if the cache folder cannot be written or its disk is short.
    """
    path = body_cache_file()
    if not path.exists():
        build_body_file(path)
    return path


@lru_cache(maxsize=1)
def load_body_model(path: str | None = None) -> BodyModel:
    """The body model of this machine (kept in memory); ``path`` overrides the cache file."""
    return BodyModel.load(path or ensure_body_file())


def build_body_file(path: str | Path) -> None:
    """Construct ``anny`` and write the arrays this module needs to ``path`` (about 24 MB).

    The file is complete or absent: it is written under another name and renamed.

    Raises:
        OSError: if the disk is too short for ``anny``'s temporary files.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < _ANNY_TEMPORARY_BYTES:
        raise OSError(
            f"building the bodies needs {_ANNY_TEMPORARY_BYTES / 1e6:.0f} MB of temporary disk, "
            f"but {path.parent} has {free / 1e6:.0f} MB free; free some, or point "
            "PART_SYNTH_CACHE_DIR to another disk"
        )
    print_log("Building the body model (once per machine, about a minute)", logger="current")
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        arrays = _arrays_of_anny(scratch)
        unfinished = Path(scratch) / "body.npz"
        np.savez(unfinished, **arrays)
        os.replace(unfinished, path)


def _arrays_of_anny(scratch: str) -> dict[str, np.ndarray]:
    """The arrays of a freshly constructed ``anny`` body, skinning summed per segment."""
    import anny
    from anny.models.model_data import PHENOTYPE_VARIATIONS
    from anny.paths import get_anny_cache_path, set_anny_cache_path

    user_cache = get_anny_cache_path()
    # anny leaves 828 MB in its cache, of which nothing is needed afterwards.
    if "ANNY_CACHE_DIR" not in os.environ:
        set_anny_cache_path(scratch)
    try:
        model = anny.Anny(skinning_method="lbs")
    finally:
        set_anny_cache_path(user_cache)

    bone_weights = model.dense_vertex_bone_weights.numpy()
    segment_of_bone = [_segment_of_bone(name) for name in model.bone_labels]
    membership = np.eye(len(SEGMENT_NAMES))[segment_of_bone]
    eyes = [i for i, name in enumerate(model.bone_labels) if name.startswith("eye")]
    anchors = {
        f"anchors_{group}": (
            np.zeros(3) if group == "race" else model.anchors[group].numpy().astype(np.float64)
        )
        for group in PHENOTYPE_VARIATIONS
    }
    return {
        "template_vertices": model.template_vertices.numpy().astype(np.float32),
        "blendshapes": model.blendshapes.numpy().astype(np.float32),
        "template_bones": model.template_bone_heads.numpy(),
        "bone_blendshapes": model.bone_heads_blendshapes.numpy(),
        "bone_labels": np.array(model.bone_labels),
        "faces": model.faces.numpy().astype(np.int32),
        "segment_weights": (bone_weights @ membership).astype(np.float32),
        "eyes": bone_weights[:, eyes].sum(axis=1) > 0.5,
        "phenotype_groups": np.array(list(PHENOTYPE_VARIATIONS)),
        "phenotype_labels": np.array(model.phenotype_labels),
        "phenotype_mask": model.stacked_phenotype_blend_shapes_mask.numpy(),
        "phenotype_projection": model.phenotype_blendshape_projection.numpy(),
        **anchors,
    }


def _segment_of_bone(bone: str) -> int:
    """Index of the segment that moves a bone of ``anny``."""
    side = {".L": "left_", ".R": "right_"}.get(bone[-2:], "")
    for index, (name, (_, _, prefixes)) in enumerate(SEGMENTS.items()):
        sided = name.startswith(("left_", "right_"))
        if bone.startswith(prefixes) and (not sided or name.startswith(side or "none")):
            return index
    raise ValueError(f"this version of anny has a bone {bone!r} that no segment moves")
