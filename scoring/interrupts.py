"""Ctrl-C while a command starts: it ends with its exit code and no traceback, wherever its imports are.

It imports little, because an interrupt before that still shows a traceback.
"""

import os
import signal
from types import FrameType

EXIT_INTERRUPTED = 130


def exit_on_interrupt() -> None:
    """From now on an interrupt ends this process at once, unless it is ignored, as in the background."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


def raise_on_interrupt() -> None:
    """From now on an interrupt raises KeyboardInterrupt again: call this where it is caught."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)
