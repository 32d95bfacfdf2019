"""Ctrl-C that waits until something that belongs together is done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class HeldInterrupt:
    """Whether Ctrl-C came.

    Attributes:
        came: Whether it did.
    """

    came = False


@contextlib.contextmanager
def held_interrupt() -> Iterator[HeldInterrupt]:
    """Hold Ctrl-C back until the block is done; a second one comes through.

    Only the main thread can; elsewhere, and where a program handles Ctrl-C itself, nothing is held.

    Yields:
        HeldInterrupt: To be asked afterwards.
    """
    held = HeldInterrupt()
    usual = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or usual is not signal.default_int_handler:
        yield held
        return

    def remember(number, frame):
        if held.came:
            usual(number, frame)
        held.came = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, usual)
