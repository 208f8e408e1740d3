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


class HostEnded(RuntimeError):
    """The host ended, or did not say in time what was waited for; the message has its last lines."""


class HostProcess:
    """`python -m dev.host` for one app; use as a context manager.

    Args:
        app: folder of the app.
        settings: set in its environment; of this process's own, only what no app reads is passed on.
        poll: seconds between two looks at a container.
        echo: called with each line that the host writes, as it comes.
    """

    def __init__(
        self,
        app: Path,
        settings: Mapping[str, str],
        *,
        poll: float = 0.2,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.address = ""
        self._echo = echo
        self._news = Condition()
        self._written = 0
        self._ended = False
        options = ["--app", str(app), "--poll", str(poll), "--port", "0", "--end-with-input"]
        command = [sys.executable, "-m", "dev.host", *options]
        environment = {**os.environ, "PYTHONPATH": str(_REPO), "PYTHONUNBUFFERED": "1", **settings}
        self._child = start_child(command, environment=environment, folder=_REPO)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the host's process."""
        return self._child.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_started(self, seconds: float = 30.0) -> "HostProcess":
        """Wait until it listens."""
        self.address = _STARTED.search(self.wait_for(_STARTED.pattern, seconds))[1]  # type: ignore[index]
        return self

    def wait_for(self, pattern: str, seconds: float = 20.0, *, count: int = 1) -> str:
        """The line with the `count`-th match of `pattern` since it started, once it is there.

        Raises:
            HostEnded: it is not there in time, or the host ended.
        """
        matcher, deadline = re.compile(pattern), time.monotonic() + seconds
        seen = found = 0
        with self._news:
            while True:
                new = min(self._written - seen, len(self.lines))
                seen = self._written
                for line in islice(self.lines, len(self.lines) - new, None):
                    found += matcher.search(line) is not None
                    if found == count:
                        return line
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"did not say within {seconds:g} s"
                    raise HostEnded(f"the host {why}: {pattern!r}\n" + "\n".join(list(self.lines)[-30:]))
                self._news.wait(left)

    def call(self, function: str, given: str = "{}") -> int:
        """Run a function out of turn and wait for its end; returns the HTTP status."""
        request = urllib.request.Request(  # noqa: S310 - its address is our own host's
            f"{self.address}/admin/functions/{function}", given.encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Stand it still for a while: nothing that happens meanwhile is seen by it half done."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def let_go(self) -> None:
        """End it as the end of this process would: its standard input ends."""
        if self._child.stdin:
            self._child.stdin.close()

    def stop(self) -> int:
        """End it in good order; returns its exit code."""
        code = end_child(self._child)
        self._reader.join()
        return code

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.stop()

    def wait(self) -> int:
        """Wait until it ends by itself; returns its exit code."""
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
                    self.lines.append(line.rstrip("\n"))
                    self._written += 1
                    self._news.notify_all()
                if self._echo:
                    self._echo(line.rstrip("\n"))
        with self._news:
            self._ended = True
            self._news.notify_all()
