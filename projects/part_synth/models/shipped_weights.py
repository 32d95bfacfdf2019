"""Weights of the package's own models by address: ``init_cfg`` of any part, ``load_from``."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.runner import CheckpointLoader

SCHEME = "part_synth://"


@CheckpointLoader.register_scheme(prefixes=SCHEME, force=True)
def load_shipped_weights(filename: str, map_location: Any = None) -> dict[str, torch.Tensor]:
    """Read ``part_synth://NAME``, such as ``part_synth://part_synth_synthetic_64px``.

    Args:
        filename: The address.
        map_location: As in ``torch.load``.

    Returns:
        The state dict, half precision.

    Raises:
        ValueError: The package has no model of that name.
        FileNotFoundError: It should have, but the file is missing.
    """
    # Imported here: the zoo builds models.
    from part_synth.apis.zoo import SHIPPED, shipped_model

    name = filename.removeprefix(SCHEME)
    if name not in SHIPPED:
        raise ValueError(
            f"{filename}: the package has the models {', '.join(SHIPPED)}, not {name!r}."
        )
    return torch.load(shipped_model(name)[1], map_location=map_location, weights_only=True)
