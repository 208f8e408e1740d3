"""Ctrl-C while a command or its processes start: it ends with its exit code and no traceback.

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


class HeldInterrupts:
    """Holds an interrupt until the block ends; processes that are started in the block, until they take it.

    A terminal sends Ctrl-C to all of them, and one that still imports would show a traceback. The
    process that started them ends them.
    """

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)
