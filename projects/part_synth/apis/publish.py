"""From a training run to the files that come with the package."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config

from part_synth.apis.config import load_config
from part_synth.apis.zoo import frame_interval, load_lifter


def publish_lifter(config: str | Path, checkpoint: str | Path, out: str | Path) -> Path:
    """Write ``config.py`` and ``weights.pth`` of a lifter, without what only training needs.

    Args:
        config: Config that it was trained with.
        checkpoint: Its checkpoint.
        out: Folder; made if it is not there.

    Returns:
        Path: The folder.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint does not belong to the config, the model does not lift, or a
            weight is too large for half precision.
    """
    model = load_lifter((config, checkpoint))
    weights = {name: value.half() for name, value in model.state_dict().items()}
    large = [name for name, value in weights.items() if not value.isfinite().all()]
    if large:
        raise ValueError(f"{checkpoint}: {', '.join(large)} can't be written in half precision.")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    settings = load_config(str(config)).model.to_dict()
    settings.pop("objective", None)
    Config({"model": settings, "interval": frame_interval(model)}).dump(out / "config.py")
    torch.save(weights, out / "weights.pth")
    return out
