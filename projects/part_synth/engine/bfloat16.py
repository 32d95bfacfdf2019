"""Where bfloat16 is fast."""

import functools

import torch


@functools.cache
def bfloat16_is_fast(device_type: str) -> bool:
    """Whether products and convolutions in bfloat16 take no longer than in float32.

    On processors without the instructions (AVX2 alone) torch emulates them: a convolution was
    measured to take 25 times as long as in float32.

    Args:
        device_type (str): ``'cpu'``, ``'cuda'``, ... as in ``torch.device.type``.

    Returns:
        bool: True for all devices but such processors.
    """
    return device_type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
