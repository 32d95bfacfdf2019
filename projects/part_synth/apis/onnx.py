"""Exported models in onnxruntime, with the interface of the models that they come from.

:class:`OnnxLifter` goes where a :class:`~part_synth.models.LiftingModel` goes
(:func:`part_synth.apis.lift`), :class:`OnnxImageModel` where a
:class:`~part_synth.models.PartSynth` goes (:func:`part_synth.apis.predict_people`).

Symbols: B batch, T frames that one pose is lifted from, K = 17 joints, S side of a crop in pixels.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from part_synth.apis.errors import ConfigError
from part_synth.apis.onnx_metadata import IMAGE, LIFTER, decode
from part_synth.models.data_preprocessor import PartSynthDataPreprocessor
from part_synth.models.lifting.keypoint_infill import KeypointInfill
from part_synth.models.part_synth import fill_samples

ENDING = ".onnx"


def import_onnx(name: str) -> ModuleType:
    """One of the optional packages.

    Args:
        name: 'onnx', 'onnxruntime' or 'onnxscript'.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs the package {name}, which can't be imported ({error}); install the extra: "
            "`uv sync --extra onnx` in a clone, or `pip install onnx onnxruntime onnxscript`."
        ) from error


class _OnnxModel(nn.Module):
    """A file in onnxruntime, its metadata checked.

    Args:
        path: What ``tools/export_onnx.py`` wrote.
        device: 'cpu', or 'cuda' (also 'cuda:1') with onnxruntime-gpu.

    Attributes:
        metadata: What the file says, see :mod:`part_synth.apis.onnx_metadata`.
        cfg: The part of the config that inference reads.

    Raises:
        ConfigError: onnxruntime is not installed.
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, of another kind or version, or there is no such device.
    """

    kind = ""

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        super().__init__()
        path = Path(path).expanduser()
        runtime = import_onnx("onnxruntime")
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no model {path}; `python tools/export_onnx.py CONFIG CHECKPOINT --out "
                f"{path}` writes one."
            )
        providers = _providers(runtime, str(device))
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = runtime.InferenceSession(str(path), options, providers=providers)
        # Its errors share no class but this one.
        except Exception as error:
            words = " ".join(str(error).split())[:200]
            raise ValueError(f"{path} can't be read as an ONNX model. ({words})") from error
        strings = self.session.get_modelmeta().custom_metadata_map
        self.metadata = decode(strings, self.kind, str(path))
        self.eval()

    def run(self, **inputs: Tensor) -> list[Tensor]:
        """Run the graph.

        Args:
            **inputs: Tensors by the names of the graph's inputs.

        Returns:
            list[Tensor]: Its outputs, on the CPU.
        """
        arrays = {
            name: np.ascontiguousarray(value.detach().cpu().numpy(), dtype=np.float32)
            for name, value in inputs.items()
        }
        return [torch.from_numpy(value) for value in self.session.run(None, arrays)]


class OnnxLifter(_OnnxModel):
    """A lifter for :func:`part_synth.apis.lift`: ``lift(keypoints, model='lifter.onnx')``.

    Args:
        path: What ``tools/export_onnx.py`` wrote from a lifter.
        device: 'cpu', or 'cuda' with onnxruntime-gpu.
    """

    kind = LIFTER

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        super().__init__(path, device)
        says = self.metadata
        self.lifter = SimpleNamespace(num_frames=int(says["num_frames"]))
        self.distance = says["distance"]
        self.bones_total = says["bones_total_m"]
        self.flip_test = says["flip_test"]
        self.infill = None
        if says["infill"] is not None:
            self.infill = KeypointInfill(says["infill"]["ridge"])
            self.infill.mean.copy_(torch.tensor(says["infill"]["mean"]))
            self.infill.covariance.copy_(torch.tensor(says["infill"]["covariance"]))
        self.cfg = Config({"interval": says["interval_s"]})

    def poses(self, points: Tensor) -> Tensor:
        """Lift the middle frames of clips, see :meth:`part_synth.models.LiftingModel.poses`.

        Args:
            points: (B, T, K, 2) joints of a camera that looks at the root, any size.

        Returns:
            (B, K, 3) joints, root at the origin, aimed camera frame, metres.

        Raises:
            ValueError: The shape is another one.
        """
        frames = self.lifter.num_frames
        if points.ndim != 4 or tuple(points.shape[1:]) != (frames, 17, 2):
            raise ValueError(
                f"This lifter takes clips (B, {frames}, 17, 2), got {tuple(points.shape)}."
            )
        if not len(points):
            return points.new_zeros(0, 17, 3)
        return self.run(points=points)[0]


class OnnxImageModel(_OnnxModel):
    """A model for :func:`part_synth.apis.predict_people`.

    Args:
        path: What ``tools/export_onnx.py`` wrote from a model that reads pictures.
        device: 'cpu', or 'cuda' with onnxruntime-gpu.
    """

    kind = IMAGE

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        super().__init__(path, device)
        says = self.metadata
        crop = {"size": says["crop_size_px"], "padding": says["crop_padding"]}
        self.cfg = Config({"test_dataloader": {"dataset": {"crop": crop}}})
        self.data_preprocessor = PartSynthDataPreprocessor()

    def predict(self, inputs: dict[str, Tensor], data_samples: list) -> list:
        """Fill in samples, see :meth:`part_synth.models.PartSynth.predict`.

        Args:
            inputs: ``image`` (B, F, 3, S, S) in [-1, 1], the first frame of each is read, and
                ``background`` likewise where it is known.
            data_samples: B samples.

        Returns:
            The samples.
        """
        images = inputs["image"][:, 0]
        arrays = {"image": images}
        if self.metadata["uses_background"]:
            known = inputs.get("background")
            # No difference to the image stands for an unknown background.
            arrays["background"] = images if known is None else known[:, 0]
        joints, points, maps = self.run(**arrays)
        labels = maps.argmax(1).to(torch.uint8)
        names = self.metadata["part_names"]
        return fill_samples(data_samples, joints.numpy(), points.numpy(), labels, names)


def _providers(runtime: ModuleType, device: str) -> list:
    """Where onnxruntime is to run a model."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    name = "CUDAExecutionProvider"
    if kind != "cuda" or name not in runtime.get_available_providers():
        raise ValueError(
            f"The device {device!r} can't be used by this onnxruntime; give 'cpu', or 'cuda' with "
            "the package onnxruntime-gpu where a GPU is."
        )
    return [(name, {"device_id": int(number or 0)}), "CPUExecutionProvider"]
