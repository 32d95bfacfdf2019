"""From a training run to the files that come with the package."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from part_synth.apis.config import load_config
from part_synth.apis.inference import crop_settings, init_model
from part_synth.apis.zoo import frame_interval, load_lifter


def publish_model(config: str | Path, checkpoint: str | Path, out: str | Path) -> Path:
    """Write ``config.py`` and ``weights.pth`` of a model, without what only training needs.

    Args:
        config: Config that it was trained with, of a lifter or of a ``part_synth.PartSynth``.
        checkpoint: Its checkpoint.
        out: Folder; made if it is not there.

    Returns:
        Path: The folder.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint does not belong to the config, the model is of another kind, or
            a weight is too large for half precision.
    """
    cfg = load_config(str(config))
    if str(cfg.get("model", {}).get("type")).rpartition(".")[2] == "PartSynth":
        model, settings = _image_model(cfg, checkpoint)
    else:
        model, settings = _lifter(cfg, config, checkpoint)
    weights = {
        name: value.half() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
        if not name.startswith("objective")
    }
    large = [name for name, value in weights.items() if not value.isfinite().all()]
    if large:
        raise ValueError(f"{checkpoint}: {', '.join(large)} can't be written in half precision.")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    Config(settings).dump(out / "config.py")
    torch.save(weights, out / "weights.pth")
    return out


def _lifter(cfg: Config, config: str | Path, checkpoint: str | Path) -> tuple[nn.Module, dict]:
    model = load_lifter((config, checkpoint))
    settings = cfg.model.to_dict()
    settings.pop("objective", None)
    return model, {"model": settings, "interval": frame_interval(model)}


def _image_model(cfg: Config, checkpoint: str | Path) -> tuple[nn.Module, dict]:
    model = init_model(cfg, checkpoint)
    size, padding = crop_settings(cfg)
    settings = cfg.model.to_dict()
    for name in ("objectives", "unpaired_poses"):
        settings.pop(name, None)
    # What inference needs to know of the data: how people are cropped.
    crop = {"size": size, "padding": padding}
    return model, {"model": settings, "test_dataloader": {"dataset": {"crop": crop}}}
