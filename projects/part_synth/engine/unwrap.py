"""The model itself, whatever distributed wrapper holds it."""

from mmengine.model import is_model_wrapper
from torch import nn


def unwrap(module: nn.Module) -> nn.Module:
    """The module inside a distributed wrapper; any other module as it is."""
    return module.module if is_model_wrapper(module) else module
