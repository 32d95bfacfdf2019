"""Mixed precision without a loss scale: works on the CPU and on any number of optimisers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn

from part_synth.registry import OPTIM_WRAPPERS

from . import bfloat16

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """An optimiser wrapper whose forward context runs under :class:`torch.autocast`.

    mmengine's ``AmpOptimWrapper`` needs CUDA and owns a gradient scaler. bfloat16 has the exponent
    range of float32, so no scaler is needed; several wrappers may then share one backward pass,
    which two independent scalers could not. Processors for which bfloat16 is slow stay in float32,
    and the log says so.

    Args:
        dtype (str): ``'bfloat16'``, or ``'float16'`` (CUDA only, and without a gradient scaler:
            small gradients are lost). Default: ``'bfloat16'``.
        **kwargs: ``optimizer``, ``accumulative_counts``, ``clip_grad`` of
            :class:`mmengine.optim.OptimWrapper`.

    Raises:
        ValueError: ``dtype`` is neither of the two.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> wrapper = AutocastOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1))
        >>> with wrapper.optim_context(layer):
        ...     layer(torch.ones(1, 2)).dtype
        torch.bfloat16
        >>> # torch.float32 where bfloat16 is slow
    """

    def __init__(self, dtype: str = "bfloat16", **kwargs) -> None:
        if dtype not in _DTYPES:
            raise ValueError(
                f"dtype of AutocastOptimWrapper must be one of {sorted(_DTYPES)}, got {dtype!r}."
            )
        super().__init__(**kwargs)
        self.cast_dtype = _DTYPES[dtype]
        self._said = False

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the model's device, inside the gradient accumulation context.

        Args:
            model (nn.Module): The model, or the part of it, that runs inside the context. Its
                first parameter names the device.
        """
        parameter = next(model.parameters(), None)
        device_type = "cpu" if parameter is None else parameter.device.type
        emulated = not bfloat16.bfloat16_is_fast(device_type)
        slow = emulated and self.cast_dtype == torch.bfloat16
        if slow and not self._said:
            self._said = True
            print_log("This processor has no fast bfloat16: training in float32.", "current")
        cast = torch.autocast(device_type, dtype=self.cast_dtype, enabled=not slow)
        with super().optim_context(model), cast:
            yield
