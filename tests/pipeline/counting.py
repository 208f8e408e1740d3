"""Transports that count storage requests, and let something happen at one of them."""

import os
import signal
import threading
from collections.abc import Callable

from azure.core.pipeline.transport import RequestsTransport


class CountingTransport(RequestsTransport):  # type: ignore[misc]  # exported by a module __getattr__
    """Counts; kills its process before request number `last`, or after it where `answered`."""

    def __init__(self, last: int | None = None, *, answered: bool = False) -> None:
        super().__init__(connection_timeout=3, read_timeout=20)
        self.requests: list[str] = []
        self.last = last
        self.answered = answered
        self._lock = threading.Lock()

    def send(self, request, **kwargs):
        with self._lock:
            self.requests.append(f"{request.method} {request.url.partition('?')[0]}")
            dies = len(self.requests) == self.last
        if dies and not self.answered:
            os.kill(os.getpid(), signal.SIGKILL)
        response = super().send(request, **kwargs)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return response


class InterruptingTransport(RequestsTransport):  # type: ignore[misc]  # exported by a module __getattr__
    """Calls `between` once, before request number `point`: what others do while a process is held up."""

    def __init__(self, point: int, between: Callable[[], None]) -> None:
        super().__init__(connection_timeout=3, read_timeout=20)
        self.count = 0
        self.point = point
        self.between = between

    def send(self, request, **kwargs):
        self.count += 1
        if self.count == self.point:
            self.between()
        return super().send(request, **kwargs)
