"""Where a model runs."""

from __future__ import annotations

from torch import nn


def to_device(model: nn.Module, device: str) -> nn.Module:
    """Move a model.

    Args:
        model: The model.
        device: 'cpu', 'cuda', 'cuda:1', ...

    Returns:
        The model.

    Raises:
        ValueError: There is no such device here.
    """
    try:
        return model.to(device)
    # torch has several ways of saying it.
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"The device {device!r} can't be used here; give 'cpu', or 'cuda' where a GPU is. "
            f"({str(error).splitlines()[0][:150]})"
        ) from error
