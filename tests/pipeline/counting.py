"""A transport that counts storage requests, and can end the process at one of them."""

import os
import signal
import threading

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
