"""Faults on demand: the answers of a busy or broken service, and connections that break at a bad moment."""

import re
import threading
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What goes wrong."""

    STATUS = auto()
    """The call is answered with an error and has no effect."""
    CUT_BEFORE = auto()
    """The connection breaks; the call has no effect."""
    CUT_AFTER = auto()
    """The call takes effect; the connection breaks instead of the answer."""


@dataclass(slots=True)
class Fault:
    """What goes wrong with calls whose `METHOD path` matches, the next few times."""

    pattern: str
    """A regular expression, searched for in `METHOD path`."""
    kind: Kind = Kind.STATUS
    status: int = 503
    retry_after: float | None = None
    """Seconds, for the header Retry-After."""
    times: int = 1


class Faults:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Let these go wrong, in this order where several match."""
        with self._lock:
            self._waiting.extend(faults)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._waiting.clear()

    def take(self, request: str) -> Fault | None:
        """The fault that hits this request, if any."""
        with self._lock:
            for fault in self._waiting:
                if re.search(fault.pattern, request):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None
