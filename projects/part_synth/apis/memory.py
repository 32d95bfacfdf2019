"""How the C library hands memory to a training process."""

import ctypes
import sys

# glibc's numbers of these settings (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20  # bytes; glibc takes no more
_TRIM_THRESHOLD = 1 << 30  # bytes


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks instead of returning them to the kernel.

    Every step on a processor allocates the same tensors of a few MB. By default glibc maps each
    anew and the kernel fills it with zeros, page by page: a fifth of a step of the small
    configs. Costs up to 1 GiB of memory that stays with the process.

    Returns:
        Whether the C library took the settings; only glibc (Linux) knows them.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mapped = mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    trimmed = mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
    return mapped == trimmed == 1
