"""What an exported file says about itself: enough to use it without this package.

ONNX keeps metadata as pairs of strings. Each value here is JSON; ``META_KEYS`` lists them all.

Symbols: B batch, T frames that one pose is lifted from, K = 17 joints, S side of a crop in pixels,
P parts without the background.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from part_synth.apis.inference import BOX_MARGIN, crop_settings
from part_synth.apis.zoo import frame_interval
from part_synth.geometry import H36M17

FORMAT = "part_synth/1"
LIFTER, IMAGE = "lifter", "image"
_COMMON = {
    "format": FORMAT,
    "joint_names": list(H36M17.joint_names),
    "parents": list(H36M17.parents),
    "units": "metres",
    "frame": "camera, root-relative",
    "axes": "x right, y down, z forward",
}
META_KEYS = {
    LIFTER: (
        *_COMMON,
        "kind",
        "inputs",
        "outputs",
        "num_frames",
        "interval_s",
        "distance",
        "bones_total_m",
        "flip_test",
        "infill",
    ),
    IMAGE: (
        *_COMMON,
        "kind",
        "inputs",
        "outputs",
        "channel_order",
        "normalisation",
        "crop_size_px",
        "crop_padding",
        "crop_convention",
        "part_names",
        "camera_distance_m",
        "uses_background",
        "flip_test",
    ),
}


def lifter_metadata(model: nn.Module) -> dict[str, Any]:
    """What to know of a lifter's file.

    Args:
        model: A :class:`~part_synth.models.LiftingModel` of :func:`~part_synth.apis.load_lifter`.

    Returns:
        dict: Values of ``META_KEYS['lifter']``. ``infill`` is None, or what
        :class:`~part_synth.models.KeypointInfill` has learned: ``ridge``, ``mean`` (17, 2) and
        ``covariance`` (34, 34) of 2D poses centred and scaled to a root mean square of 1.
    """
    frames = int(model.lifter.num_frames)
    infill = model.infill
    learned = None
    if getattr(infill, "fitted", False):
        learned = {
            "ridge": infill.ridge,
            "mean": infill.mean.tolist(),
            "covariance": infill.covariance.tolist(),
        }
    return {
        **_COMMON,
        "kind": LIFTER,
        "inputs": {
            "points": f"(B, {frames}, 17, 2) float32: 2D joints as a camera sees them that looks "
            "at the root, the root at (0, 0), x right, y down, of any size (the graph scales "
            "them). With intrinsics: r = R ((x - cx) / fx, (y - cy) / fy, 1), R the pan and tilt "
            "that bring the root's ray to (0, 0, 1); points = (r_x / r_z, r_y / r_z), and the "
            "result times R (joints @ R) is in the camera's frame. Without: pixels less the "
            "root's pixel."
        },
        "outputs": {
            "joints": "(B, 17, 3) float32 of the middle frame, root at (0, 0, 0); the bones add "
            "up to bones_total_m."
        },
        "num_frames": frames,
        "interval_s": frame_interval(model),
        # In distances from head to root.
        "distance": float(model.distance),
        "bones_total_m": float(model.bones_total),
        "flip_test": bool(model.flip_test),
        "infill": learned,
    }


def image_metadata(model: nn.Module, cfg: Config) -> dict[str, Any]:
    """What to know of the file of a model that reads pictures.

    Args:
        model: A :class:`~part_synth.models.PartSynth`.
        cfg: Its config, which says how it crops.

    Returns:
        dict: Values of ``META_KEYS['image']``.

    Raises:
        ValueError: The config tests with a pipeline of its own, so that the crop is not known.
    """
    size, padding = crop_settings(cfg)
    uses_background = bool(model.encoder.use_background)
    part_names = list(model.puppet.part_names)
    picture = f"(B, 3, {size}, {size}) float32 RGB in [-1, 1]"
    inputs = {"image": f"{picture}: the square crop of a person."}
    if uses_background:
        inputs["background"] = (
            f"{picture}: the same crop of the empty scene; where it is not known, the image again."
        )
    return {
        **_COMMON,
        "kind": IMAGE,
        "inputs": inputs,
        "outputs": {
            "joints": "(B, 17, 3) float32, root at (0, 0, 0), for a person of mean build.",
            "keypoints": "(B, 17, 2) float32 joints in the crop, [-1, 1] from edge to edge.",
            "part_maps": f"(B, {len(part_names)}, {size}, {size}) float32 share of each part in "
            "each pixel; they sum to 1.",
        },
        "channel_order": "RGB",
        "normalisation": "value / 127.5 - 1 of 8-bit values",
        "crop_size_px": size,
        "crop_padding": padding,
        "crop_convention": f"A square around the middle of the person's box, side = {BOX_MARGIN:g} "
        f"x crop_padding x the box's larger side; outside of the picture its border is "
        "repeated. The centre of the picture's first "
        "pixel is (0, 0); pixel j of the crop shows the place x - side / 2 + (j + 1/2) side / S; a "
        "joint k of [-1, 1] lies at x + k side / 2.",
        "part_names": part_names,
        "camera_distance_m": float(model.camera_distance),
        "uses_background": uses_background,
        "flip_test": bool(model.flip_test),
    }


def encode(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Values as the strings that ONNX keeps."""
    return {key: json.dumps(value) for key, value in metadata.items()}


def decode(strings: Mapping[str, str], kind: str, path: str) -> dict[str, Any]:
    """Read and check the metadata of a file.

    Args:
        strings: The file's metadata.
        kind: 'lifter' or 'image', what the file must hold.
        path: For messages.

    Returns:
        dict: Values of ``META_KEYS[kind]``.

    Raises:
        ValueError: Another program wrote the file, it is of another version or kind, or something
            is missing or differs from what this package means by it.
    """
    again = "Write it again with `python tools/export_onnx.py CONFIG CHECKPOINT --out FILE`."
    try:
        values = {
            key: json.loads(value) for key, value in strings.items() if key in META_KEYS[kind]
        }
    except ValueError as error:
        raise ValueError(f"The metadata of {path} can't be read ({error}). {again}") from error
    found = values.get("format")
    if found != FORMAT:
        what = "says nothing about itself" if found is None else f"is of the format {found!r}"
        raise ValueError(f"{path} {what}, expected {FORMAT!r}. {again}")
    if values.get("kind") != kind:
        hint = {LIFTER: "lift 2D keypoints", IMAGE: "read pictures"}[kind]
        raise ValueError(
            f"{path} holds a model of the kind {values.get('kind')!r}, which does not {hint}; give "
            f"a file of the kind {kind!r}."
        )
    missing = [key for key in META_KEYS[kind] if key not in values]
    if missing:
        raise ValueError(f"The metadata of {path} lacks {', '.join(missing)}. {again}")
    expected = dict(_COMMON)
    other = [key for key, value in expected.items() if values[key] != value]
    if other:
        raise ValueError(
            f"{path} was written for another {', '.join(other)}: {values[other[0]]!r}. {again}"
        )
    return values
