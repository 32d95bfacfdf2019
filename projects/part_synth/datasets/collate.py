"""Samples to batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from part_synth.registry import FUNCTIONS


@FUNCTIONS.register_module()
def take_batch(batch: dict | Sequence[dict]) -> dict:
    """Hand on what the data set already made a batch of; collate single samples.

    Args:
        batch (dict | Sequence[dict]): What the data set's ``__getitems__`` returned.

    Returns:
        dict: See :func:`collate`.
    """
    return batch if isinstance(batch, dict) else collate(batch)


@FUNCTIONS.register_module()
def collate(samples: Sequence[dict]) -> dict:
    """Stack the inputs, list the data samples.

    In a mixture of sources some may know their background and some not: frames of the latter are
    their own backgrounds, and the zero difference says that nothing is known.

    Args:
        samples (Sequence[dict]): B samples ``{'inputs': {name: (F, ...)}, 'data_samples': ...}``.

    Returns:
        dict: ``{'inputs': {name: (B, F, ...)}, 'data_samples': [B data samples]}``.

    Raises:
        ValueError: If the samples don't fit together.
    """
    if any("background" in sample["inputs"] for sample in samples):
        for sample in samples:
            sample["inputs"].setdefault("background", sample["inputs"]["image"])
    names = samples[0]["inputs"].keys()
    for sample in samples:
        if sample["inputs"].keys() != names:
            raise ValueError(
                f"Samples of one batch have the inputs {sorted(names)} and "
                f"{sorted(sample['inputs'])}. All must come from the same pipeline."
            )
    inputs = {}
    for name in names:
        tensors = [sample["inputs"][name] for sample in samples]
        shapes = {tuple(tensor.shape) for tensor in tensors}
        if len(shapes) > 1:
            raise ValueError(
                f"The input '{name}' has several shapes in one batch: {sorted(shapes)}. Use one "
                "crop size and one number of frames per data set."
            )
        inputs[name] = torch.stack(tensors)
    return {"inputs": inputs, "data_samples": [sample["data_samples"] for sample in samples]}
