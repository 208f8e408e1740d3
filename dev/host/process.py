"""The host as a process, for programs that drive it: the demo, tests and measurements."""

import contextlib
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from threading import Condition, Thread
from typing import Self

from dev.children import end_child, start_child

_REPO = Path(__file__).resolve().parents[2]
_KEPT_LINES = 20_000
_STARTED = re.compile(r"Host started at (http://\S+) \(host id (\S+)\)")
_WORKER = re.compile(r"Worker process started \(pid (\d+)\)")


class HostEnded(RuntimeError):
    """The host exited, or did not log an expected line in time; the message has its last lines."""


class HostProcess:
    """`python -m dev.host` for one app; use as a context manager.

    Args:
        app: folder of the app.
        settings: set in its environment; of this process's, it inherits only what no app reads.
        poll: seconds between scans of a container.
        hidden: seconds until the call for a blob is repeated after it was killed.
        lease: seconds without ticks and scans after a host was killed, at least 15.
        echo: called with each line that the host writes.
    """

    def __init__(
        self,
        app: Path,
        settings: Mapping[str, str],
        *,
        poll: float = 0.2,
        hidden: int = 600,
        lease: int = 15,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.address = ""
        self.worker_pid = 0
        """Of the process in which the app runs; changes when that process dies and is replaced."""
        self._echo = echo
        self._news = Condition()
        self._written = 0
        self._ended = False
        options = {"app": app, "poll": poll, "hidden": hidden, "lease": lease, "port": 0}
        command = [sys.executable, "-m", "dev.host", "--end-with-input"]
        command += [f"--{name}={value}" for name, value in options.items()]
        environment = {**os.environ, "PYTHONPATH": str(_REPO), "PYTHONUNBUFFERED": "1", **settings}
        self._child = start_child(command, environment=environment, folder=_REPO)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the host's process."""
        return self._child.pid

    @property
    def lines(self) -> list[str]:
        """What it has logged until now, without lines of long ago."""
        with self._news:
            return list(self._lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_started(self, seconds: float = 30.0) -> "HostProcess":
        """Wait until it is listening."""
        self.address = _STARTED.search(self.wait_for(_STARTED.pattern, seconds))[1]  # type: ignore[index]
        return self

    def wait_for(self, pattern: str, seconds: float = 20.0, *, count: int = 1) -> str:
        """The line with the `count`-th match of `pattern` since it started, once it is there.

        Raises:
            HostEnded: the line does not appear in time, or the host exited.
        """
        return self._wait_for(pattern, seconds, count, 0)

    def _wait_for(self, pattern: str, seconds: float, count: int, seen: int) -> str:
        matcher, deadline = re.compile(pattern), time.monotonic() + seconds
        found = 0
        with self._news:
            while True:
                new = min(self._written - seen, len(self._lines))
                seen = self._written
                for line in islice(self._lines, len(self._lines) - new, None):
                    found += matcher.search(line) is not None
                    if found == count:
                        return line
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"did not log a line within {seconds:g} s"
                    raise HostEnded(f"the host {why}: {pattern!r}\n" + "\n".join(list(self._lines)[-30:]))
                self._news.wait(left)

    def call(self, function: str, given: str = "{}") -> int:
        """Run a function out of turn and wait for the end of its first try; returns the HTTP status.

        Raises:
            HostEnded: the host exited meanwhile.
        """
        with self._news:
            seen = self._written
        status, headers, _ = self.post(f"/admin/functions/{function}", given.encode())
        if invocation := headers.get("Invocation-Id"):
            self._wait_for(rf"Executed 'Functions\.{function}' \(\w+, Id={invocation}", 120, 1, seen)
        return status

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request; returns status, headers and body of the response."""
        request = urllib.request.Request(  # noqa: S310 - its address is our own host's
            self.address + path, body, {"Content-Type": "application/json", **(headers or {})}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Suspend it: it sees nothing half done of what happens meanwhile."""
        return _held(self.pid)

    def worker_held(self) -> contextlib.AbstractContextManager[None]:
        """Suspend the app's process: calls start and do not finish."""
        return _held(self.worker_pid)

    def let_go(self) -> None:
        """Stop it as the exit of this process would: close its standard input."""
        if self._child.stdin:
            self._child.stdin.close()

    def stop(self) -> int:
        """Stop it gracefully; returns its exit code."""
        code = end_child(self._child)
        self._reader.join()
        return code

    def kill(self) -> None:
        """Kill it without a chance to clean up."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.stop()

    def wait(self) -> int:
        """Wait until it exits by itself; returns its exit code."""
        code = self._child.wait()
        self._reader.join()
        return code

    def _read(self) -> None:
        output = self._child.stdout
        if output is None:  # it is a pipe
            return
        with output:
            for line in output:
                with self._news:
                    self._lines.append(line.rstrip("\n"))
                    self._written += 1
                    if match := _WORKER.search(line):
                        self.worker_pid = int(match[1])
                    self._news.notify_all()
                if self._echo:
                    self._echo(line.rstrip("\n"))
        with self._news:
            self._ended = True
            self._news.notify_all()


@contextlib.contextmanager
def _held(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
