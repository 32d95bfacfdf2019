"""The models that come with the package, and models of the user's own, for lifting."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path

import torch
from mmengine.runner import CheckpointLoader
from torch import nn

import part_synth
from part_synth.apis.config import load_config
from part_synth.apis.devices import to_device
from part_synth.engine.checkpoint_guard import check_checkpoint_file
from part_synth.registry import MODELS

ZOO = Path(part_synth.__file__).parent / "zoo"
# Seconds; the default of part_synth.KeypointClipDataset.
_INTERVAL = 0.1
# What torch raises for files that are no checkpoints.
_READ_ERRORS = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    AttributeError,
    IndexError,
    KeyError,
)
# The models in the package, and what trains one like it.
LIFTER = "lifter"
IMAGE_MODEL = "part_synth_synthetic_long"
# Crops of 64 pixels: less good and more than twice as fast; metric learning at that size starts
# from its trunk.
SMALL_IMAGE_MODEL = "part_synth_synthetic_64px"
IMAGE_MODELS = (IMAGE_MODEL, SMALL_IMAGE_MODEL)
_TRAINED_BY = {
    LIFTER: "configs/lifter_cmu.py",
    IMAGE_MODEL: "configs/part_synth_synthetic_long.py",
    SMALL_IMAGE_MODEL: "configs/part_synth_synthetic_64px.py",
}

SHIPPED = tuple(_TRAINED_BY)


def shipped_model(name: str) -> tuple[Path, Path]:
    """Config and weights of a model in the package, in a folder ``zoo/NAME/``.

    The folder holds ``config.py`` (``model`` and what inference needs to know beside it),
    ``weights.pth`` (a state dict, half precision) and ``metafile.yml`` (what it was trained on).

    Args:
        name: One of ``SHIPPED``.

    Raises:
        FileNotFoundError: A file is missing; the message says which and how to train a model.
    """
    folder = ZOO / name
    files = (folder / "config.py", folder / "weights.pth")
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"The package's own model {name} is not there: no {' and no '.join(missing)}. Install "
            "the whole package, which holds it. Or train one with `python tools/train.py "
            f"{_TRAINED_BY[name]}` and name its config and checkpoint."
        )
    return files


def load_lifter(
    model: tuple[str | Path, str | Path] | str | Path | nn.Module | None = None,
    device: str = "cpu",
) -> nn.Module:
    """A model that lifts 2D keypoints.

    A model of files is built once and kept; files that have changed are read again. Only the parts
    that lift are built, not those that train.

    Args:
        model: None for the package's own; (config, checkpoint) of one that ``tools/train.py``
            trained; an .onnx file of ``tools/export_onnx.py``; a
            :class:`~part_synth.models.LiftingModel` is handed back as it is, on its own device.
        device: Where a model of files is to run.

    Returns:
        The model in evaluation mode, float32; ``cfg`` holds its config.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint is damaged or belongs to another model, the config's model does
            not lift, or ``model`` is something else.
    """
    if isinstance(model, nn.Module):
        return _checked(model, "The model")
    if isinstance(model, str | Path) and Path(model).suffix.lower() == ".onnx":
        # Imported here: this module must not need it, and it needs this one.
        from part_synth.apis.onnx import OnnxLifter

        return OnnxLifter(model, device)
    if model is None:
        config, checkpoint = shipped_model(LIFTER)
    elif isinstance(model, tuple | list) and len(model) == 2:
        config, checkpoint = (Path(part).expanduser() for part in model)
    else:
        raise ValueError(
            "model must be None (the package's own), (config, checkpoint), an .onnx file or a "
            f"LiftingModel, got {model!r}."
        )
    check_checkpoint_file(checkpoint)
    changed = [p.stat().st_mtime_ns if p.is_file() else 0 for p in (config, checkpoint)]
    return _load(config.resolve(), checkpoint.resolve(), str(device), tuple(changed))


def frame_interval(model: nn.Module) -> float:
    """Seconds between the frames that a lifter of several frames reads.

    Args:
        model: From :func:`load_lifter`.

    Returns:
        float: What the model's config says, ``interval`` or the one of its test set; else 0.1, the
        default of training.
    """
    cfg = getattr(model, "cfg", None) or {}
    dataset = cfg.get("test_dataloader", {}).get("dataset", {})
    return float(cfg.get("interval", dataset.get("interval", _INTERVAL)))


@functools.lru_cache(maxsize=4)
def _load(config: Path, checkpoint: Path, device: str, changed: tuple[int, ...]) -> nn.Module:
    """Build a model and read its weights; ``changed`` is part of the cache's key."""
    cfg = load_config(str(config))
    if "model" not in cfg:
        raise ValueError(f"Config {config} has no model; give the config of a lifter.")
    # Critics and losses are of no use here.
    settings = {key: value for key, value in cfg.model.items() if key != "objective"}
    model = _checked(MODELS.build(settings), f"The model of {config}")
    state = _state_dict(checkpoint)
    weights = {name: v.float() if v.is_floating_point() else v for name, v in state.items()}
    weights = {name: v for name, v in weights.items() if not name.startswith("objective.")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"{checkpoint} does not fit the model of {config}; give the config that it was trained "
            f"with. ({' '.join(str(error).split())[:300]})"
        ) from error
    model.cfg = cfg
    return to_device(model, device).eval()


def _state_dict(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Weights of a file: a state dict, or a checkpoint that holds one."""
    try:
        try:
            loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            # Checkpoints of a training run also hold its logs.
            loaded = CheckpointLoader.load_checkpoint(str(checkpoint), map_location="cpu")
    except _READ_ERRORS as error:
        raise ValueError(
            f"Checkpoint {checkpoint} can't be read: it is damaged or not a torch checkpoint. "
            f"({' '.join(str(error).split())[:200]})"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ValueError(f"Checkpoint {checkpoint} holds no weights but {type(loaded).__name__}.")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _checked(model: nn.Module, what: str) -> nn.Module:
    if not hasattr(model, "lifter") or not hasattr(model, "poses"):
        raise ValueError(
            f"{what} is a {type(model).__name__}, which does not lift 2D keypoints; give a "
            "part_synth.LiftingModel."
        )
    return model
