"""Faults on demand: a busy or broken service, connections that break, and nodes that are evicted."""

import re
import threading
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal


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
    """A fault of calls whose `METHOD path` matches, the next few times."""

    pattern: str
    """A regular expression, searched for in `METHOD path`."""
    kind: Kind = Kind.STATUS
    status: int = 503
    retry_after: float | None = None
    """Seconds, for the header Retry-After."""
    times: int = 1


@dataclass(slots=True)
class Loss:
    """A node that is evicted with the step on it, like a low-priority node; the step is not retried."""

    pattern: str
    """A regular expression that the whole name of the step matches."""
    after: float | None = None
    """Seconds that the step ran; None if it never started."""
    job: Literal["Completed", "Failed"] = "Failed"
    """The final status of a job that lost a step: both have been observed."""
    times: int = 1


class Faults:
    """The faults that are still pending."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._losses: list[Loss] = []
        self._lock = threading.Lock()

    def lose(self, *losses: Loss) -> None:
        """Evict the nodes of these steps."""
        with self._lock:
            self._losses.extend(losses)

    def take_loss(self, step: str) -> Loss | None:
        """The loss that hits this step, if any."""
        with self._lock:
            for loss in self._losses:
                if re.fullmatch(loss.pattern, step):
                    loss.times -= 1
                    if loss.times <= 0:
                        self._losses.remove(loss)
                    return loss
        return None

    def add(self, *faults: Fault) -> None:
        """Add faults; where several match, they apply in this order."""
        with self._lock:
            self._waiting.extend(faults)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._waiting.clear()
            self._losses.clear()

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
