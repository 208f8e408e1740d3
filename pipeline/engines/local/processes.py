"""Runs the commands of steps as processes that never outlive the worker."""

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
from pipeline.redact import redacted

_DONE, _FAILED, _USAGE = 0, 1, 2
"""Exit codes after which a retry does not help; after all others it can."""

_LOOK_BYTES = 4_096
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """The result of a process."""

    ok: bool
    retry: bool = False
    """Whether another try can help."""
    error: str | None = None
    """What went wrong, in one line."""


class Processes:
    """Starts processes, each in a group of its own; they end when this process ends, for any reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._orphan_killer = subprocess.Popen(
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
        if self._orphan_killer.stdin:
            self._orphan_killer.stdin.close()
        self._orphan_killer.wait()

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        seconds: float | None,
    ) -> ProcessResult:
        """Run a command to its end; appends its output to `log`."""
        try:
            with log.open("ab") as log_file:
                process = self._start(command, folder, environment, log_file.fileno())
        except OSError as error:
            return ProcessResult(ok=False, retry=True, error=f"cannot start it: {error.strerror}")
        if process is None:
            return ProcessResult(ok=False, error="it was stopped")
        out_of_time = threading.Event()
        timer = threading.Timer(seconds or 0, _kill_late, (process, out_of_time))
        timer.daemon = True
        if seconds is not None:
            timer.start()
        try:
            code = process.wait()
        finally:
            timer.cancel()
            self._ended(process)
        if code == _DONE:
            return ProcessResult(ok=True)
        if out_of_time.is_set():
            return ProcessResult(ok=False, retry=True, error=f"it took longer than its {seconds:g} seconds")
        if code < 0:
            return ProcessResult(ok=False, retry=True, error=f"it was killed by {_signal(-code)}")
        line = last_line(log) or f"it ended with exit code {code} and no output"
        if code == _USAGE:
            line += "; if another release published this pipeline, run python -m pipeline publish"
        return ProcessResult(ok=False, retry=code not in {_FAILED, _USAGE}, error=line)

    def stop(self) -> None:
        """Kill all running processes, and start no more."""
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
            self._notify_orphan_killer(f"+{process.pid}\n")
        return process

    def _ended(self, process: "subprocess.Popen[bytes]") -> None:
        with self._lock:
            self._running.discard(process)
            _kill(process)  # its child processes
            self._notify_orphan_killer(f"-{process.pid}\n")

    def _notify_orphan_killer(self, line: str) -> None:
        if self._orphan_killer.stdin:
            with suppress(BrokenPipeError):  # it was killed; steps run nevertheless
                os.write(self._orphan_killer.stdin.fileno(), line.encode())


def last_line(log: Path) -> str:
    """The last line of the log of a step, without `error:`."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOOK_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    words = [" ".join(line.split()) for line in lines]
    last = next((line for line in reversed(words) if line), "")
    return redacted(last.removeprefix("error: "))[:_LONGEST_LINE]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _kill_late(process: "subprocess.Popen[bytes]", out_of_time: threading.Event) -> None:
    out_of_time.set()
    _kill(process)


def _signal(number: int) -> str:
    name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
    return f"{name} (was there enough memory?)" if number == signal.SIGKILL else name
