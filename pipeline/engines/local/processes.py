"""Running the command of one step as a process that is watched, and that nothing outlives."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.engines.local import orphan_killer
from pipeline.redact import hushed

_DONE, _FAILED, _USAGE = 0, 1, 2
"""Exit codes of steps that a further try does not change; after all others one may help."""

_LOOK_BYTES = 4_096
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    ok: bool
    retry: bool = False
    """Whether another try may help."""
    error: str | None = None
    """What went wrong, in one line."""


class Processes:
    """Starts processes, each in a group of its own, and ends them with this one, however it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(orphan_killer.__file__)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._keeper.stdin:
            self._keeper.stdin.close()
        self._keeper.wait()

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        seconds: float | None,
    ) -> Ended:
        """Run a command to its end; what it says is appended to `log`."""
        try:
            with log.open("ab") as words:
                process = self._start(command, folder, environment, words.fileno())
        except OSError as error:
            return Ended(ok=False, retry=True, error=f"it cannot be started: {error.strerror}")
        if process is None:
            return Ended(ok=False, error="it was stopped")
        out_of_time = threading.Event()
        timer = threading.Timer(seconds or 0, _end_late, (process, out_of_time))
        timer.daemon = True
        if seconds is not None:
            timer.start()
        try:
            code = process.wait()
        finally:
            timer.cancel()
            self._ended(process)
        if code == _DONE:
            return Ended(ok=True)
        if out_of_time.is_set():
            return Ended(ok=False, retry=True, error=f"it took longer than its {seconds:g} seconds")
        if code < 0:
            return Ended(ok=False, retry=True, error=f"it was killed by {_signal(-code)}")
        said = last_line(log)
        return Ended(
            ok=False,
            retry=code not in {_FAILED, _USAGE},
            error=said or f"it ended with exit code {code} and said nothing",
        )

    def stop(self) -> None:
        """Kill what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)

    def _start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], output: int
    ) -> "subprocess.Popen[bytes] | None":
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
            self._tell_keeper(f"+{process.pid}\n")
        return process

    def _ended(self, process: "subprocess.Popen[bytes]") -> None:
        with self._lock:
            self._running.discard(process)
            _kill(process)  # what it has started itself and left
            self._tell_keeper(f"-{process.pid}\n")

    def _tell_keeper(self, line: str) -> None:
        if self._keeper.stdin:
            with suppress(BrokenPipeError):  # somebody killed it; steps run all the same
                os.write(self._keeper.stdin.fileno(), line.encode())


def last_line(log: Path) -> str:
    """The last line that a step wrote, as a reason: without `error:` before it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOOK_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    words = [" ".join(line.split()) for line in lines]
    last = next((line for line in reversed(words) if line), "")
    return hushed(last.removeprefix("error: "))[:_LONGEST_LINE]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _end_late(process: "subprocess.Popen[bytes]", out_of_time: threading.Event) -> None:
    out_of_time.set()
    _kill(process)


def _signal(number: int) -> str:
    name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
    return f"{name} (was there enough memory?)" if number == signal.SIGKILL else name
