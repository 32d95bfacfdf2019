"""Models as ONNX files: graph, metadata, and the proof that both give the same numbers.

Symbols: B batch, T frames that one pose is lifted from, K = 17 joints, S side of a crop in pixels.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from part_synth.apis.config import load_config
from part_synth.apis.errors import ConfigError
from part_synth.apis.inference import init_model
from part_synth.apis.onnx import OnnxImageModel, OnnxLifter, import_onnx
from part_synth.apis.onnx_metadata import encode, image_metadata, lifter_metadata
from part_synth.apis.zoo import load_lifter
from part_synth.models import LiftingModel, PartSynth
from part_synth.registry import MODELS

# Largest difference that may come of other orders of summation: a tenth of a millimetre, and the
# same in half-widths of a crop; a thousandth of a part's share.
TOLERANCE = {"joints": 1e-4, "keypoints": 1e-4, "part_maps": 1e-3}


@dataclass(frozen=True)
class Parity:
    """How far the file's numbers are from the model's.

    Attributes:
        batch_size: B.
        differences: Output -> largest absolute difference, in the output's unit.
    """

    batch_size: int
    differences: dict[str, float]


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        path: The file.
        kind: 'lifter' or 'image'.
        size_bytes: Of the file.
        parity: One row for each batch size tried.
        metadata: What the file says about itself.
    """

    path: Path
    kind: str
    size_bytes: int
    parity: tuple[Parity, ...]
    metadata: dict[str, Any]


class LifterGraph(nn.Module):
    """From 2D to 3D joints, as :meth:`part_synth.models.LiftingModel.poses` does it.

    Args:
        model: The lifter.
    """

    inputs = ("points",)
    outputs = ("joints",)
    runner = OnnxLifter

    def __init__(self, model: LiftingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, points: Tensor) -> Tensor:
        """(B, T, K, 2) points to (B, K, 3) joints, metres."""
        return self.model.poses(points)

    def metadata(self) -> dict[str, Any]:
        """What the file says."""
        return lifter_metadata(self.model)

    def example(self, batch_size: int) -> tuple[Tensor, ...]:
        """Made inputs: random joints about a root at the origin."""
        frames = self.model.lifter.num_frames
        points = torch.randn(batch_size, frames, 17, 2, generator=_generator(batch_size))
        return (points - points[:, :, :1],)


class ImageGraph(nn.Module):
    """From crops to 3D joints, joints in the crop and part maps, as ``PartSynth.predict`` does it.

    Args:
        model: The model.
        cfg: Its config.
    """

    outputs = ("joints", "keypoints", "part_maps")
    runner = OnnxImageModel

    def __init__(self, model: PartSynth, cfg: Config) -> None:
        super().__init__()
        self.model = model
        self.says = image_metadata(model, cfg)
        self.inputs = tuple(self.says["inputs"])

    def forward(self, image: Tensor, background: Tensor | None = None) -> tuple[Tensor, ...]:
        """Read crops.

        Args:
            image: (B, 3, S, S) in [-1, 1].
            background: (B, 3, S, S) likewise; models with ``use_background`` only.

        Returns:
            Joints (B, K, 3) metres, joints in the crop (B, K, 2), part maps (B, P + 1, S, S).
        """
        decoded = self.model.read(image, background)
        # What stands behind the person has no part in the decoder's segmentation.
        parts = self.model.segment(decoded, image)
        return decoded["joints_cam"].float(), decoded["points"].float(), parts.float()

    def metadata(self) -> dict[str, Any]:
        """What the file says."""
        return self.says

    def example(self, batch_size: int) -> tuple[Tensor, ...]:
        """Made inputs: soft blobs of colour, with noise."""
        size, generator = self.says["crop_size_px"], _generator(batch_size)
        pictures = []
        for _ in self.inputs:
            blobs = torch.rand(batch_size, 3, 6, 6, generator=generator) * 2 - 1
            blobs = F.interpolate(blobs, size=(size, size), mode="bilinear")
            noise = torch.randn(blobs.shape, generator=generator)
            pictures.append((blobs + 0.05 * noise).clamp(-1, 1))
        return tuple(pictures)


def export_onnx(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    batch_sizes: Sequence[int] = (1, 2, 7),
) -> ExportReport:
    """Write a trained model as an ONNX file that takes batches of any size.

    The file is compared with the model on made inputs before it takes its name.

    Args:
        config: Config of a :class:`~part_synth.models.PartSynth` (pictures to 3D) or
            :class:`~part_synth.models.LiftingModel` (2D to 3D).
        checkpoint: Its checkpoint.
        out: File to write, ending with .onnx; one that is there is replaced.
        batch_sizes: Sizes of the batches to compare on.

    Returns:
        ExportReport: Place, size and kind of the file, and its parity with the model.

    Raises:
        ConfigError: A package is missing, or the config's model is neither of the two.
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint does not belong to the config, a batch size is not positive, or
            the file gives other numbers than the model.
    """
    if not batch_sizes or min(batch_sizes) < 1:
        raise ValueError(f"batch_sizes must be positive, got {list(batch_sizes)}.")
    import_onnx("onnxruntime")
    import_onnx("onnxscript")
    out = Path(out).expanduser()
    with _beside(out) as temporary:
        graph = load_graph(config, checkpoint)
        metadata = graph.metadata()
        _write(graph, encode(metadata), temporary)
        parity = tuple(check_parity(graph, temporary, size) for size in batch_sizes)
        _require_parity(parity)
        size_bytes = temporary.stat().st_size
        os.replace(temporary, out)
    return ExportReport(out, metadata["kind"], size_bytes, parity, metadata)


def load_graph(config: str | Path, checkpoint: str | Path) -> LifterGraph | ImageGraph:
    """The part of a trained model that is exported.

    Raises:
        ConfigError: The config's model can't be exported.
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint does not belong to the config.
    """
    cfg = load_config(str(config))
    name = cfg.get("model", {}).get("type")
    kind = MODELS.get(name) if isinstance(name, str) else name
    if isinstance(kind, type) and issubclass(kind, LiftingModel):
        return LifterGraph(load_lifter((config, checkpoint))).eval()
    if isinstance(kind, type) and issubclass(kind, PartSynth):
        return ImageGraph(init_model(cfg, checkpoint), cfg).eval()
    raise ConfigError(
        f"The model of {config} is {name!r}; only part_synth.PartSynth and part_synth.LiftingModel "
        "can be exported."
    )


@torch.no_grad()
def check_parity(graph: LifterGraph | ImageGraph, path: Path, batch_size: int) -> Parity:
    """Compare a file with the model that it was written from.

    Args:
        graph: What was exported.
        path: The file.
        batch_size: B.

    Returns:
        Parity: Largest absolute difference of each output.
    """
    inputs = graph.example(batch_size)
    expected = graph(*inputs)
    expected = (expected,) if isinstance(expected, Tensor) else expected
    found = graph.runner(path).run(**dict(zip(graph.inputs, inputs, strict=True)))
    differences = {
        name: float((a - b).abs().max())
        for name, a, b in zip(graph.outputs, found, expected, strict=True)
    }
    return Parity(batch_size, differences)


def _require_parity(parity: Sequence[Parity]) -> None:
    for row in parity:
        # Not `>`, which NaN would pass.
        wrong = [k for k, value in row.differences.items() if not value <= TOLERANCE[k]]
        if wrong:
            raise ValueError(
                f"In onnxruntime {wrong[0]} of a batch of {row.batch_size} differ from the model's "
                f"by {row.differences[wrong[0]]:.3g}, more than {TOLERANCE[wrong[0]]:g}; nothing "
                "was written. Are all weights of the checkpoint finite?"
            )


def _write(graph: LifterGraph | ImageGraph, metadata: dict[str, str], path: Path) -> None:
    """Trace a graph and write the file."""
    inputs = graph.example(2)
    with torch.no_grad():
        # Constants that are kept from one call to the next must not be the tracer's.
        graph(*inputs)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer's own, about its own parts.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph,
            inputs,
            dynamo=True,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            custom_translation_table=_stable_operators(),
            verbose=False,
        )
    # Lines of our source, with folders of this machine.
    for function in (program.model.graph, *program.model.functions.values()):
        for node in function:
            node.metadata_props.clear()
            node.doc_string = None
    program.model.metadata_props.update(metadata)
    program.save(str(path), external_data=False)


def _stable_operators() -> dict:
    """Operators whose usual translation overflows.

    log(sigmoid(x)) is minus infinity from x = -104 on, and the puppet's softmax over such numbers
    is not a number; -softplus(-x) is exact.
    """
    op = import_onnx("onnxscript").opset18

    def log_sigmoid(x):
        return op.Neg(op.Softplus(op.Neg(x)))

    return {torch.ops.aten.log_sigmoid.default: log_sigmoid}


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A temporary file in the folder of ``out``, made before the work, gone after it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.stem}.", suffix=".onnx")
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o644)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
