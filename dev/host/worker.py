"""The Python worker as the host drives it: called, timed, and restarted when it dies."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

from dev.host.errors import HostError
from dev.host.functions import Function, Input, Outcome
from dev.host.logs import log_from_worker

_log = logging.getLogger("Host")

_WORKER_SCRIPT = Path(__file__).with_name("worker_script.py")
_LONGEST_LINE = 16 * 2**20
_MOST_EXITS = 3
"""The host exits at this number, as the real one does."""
_FORGIVEN_AFTER = 30 * 60.0
"""Seconds without an exit after which earlier ones no longer count."""
_LAST_LINES = 0.5
"""Seconds to read what a process printed before it ended."""
_FAREWELL = 5.0
"""Seconds for an idle process to send its telemetry and exit."""


class Worker:
    """Loads one app, then calls its functions.

    Args:
        app: folder of the app.
        time_limit: of each call; None for no limit. A longer call fails, and its process is killed.
    """

    def __init__(self, app: Path, time_limit: timedelta | None) -> None:
        self._app = app
        self._limit = time_limit
        self._exits: list[float] = []
        self._current: asyncio.Task[WorkerProcess]
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets an exception once the process has died too often or does not restart."""

    async def start(self) -> list[Function]:
        """Import the app and list its functions.

        Raises:
            HostError: the worker could not load it; the message is the worker's.
        """
        if not (self._app / "function_app.py").is_file():
            raise HostError(
                f"no function_app.py in {self._app}: this is not the folder of a Python function app"
            )
        self._current = asyncio.create_task(WorkerProcess.start(self._app, self._exited))
        return (await self._current).functions

    async def invoke(
        self, function: Function, given: Input, *, reason: str, invocation: str = "", retry: int = 0
    ) -> Outcome:
        """Call a function once; the outcome has what it raises."""
        invocation = invocation or str(uuid.uuid4())
        try:
            process = await asyncio.shield(self._current)
        except HostError as broken:  # it does not restart: the host exits
            return Outcome(ok=False, error=str(broken))
        _log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limit.total_seconds() if self._limit else None):
                outcome = await process.call(function, given, invocation, retry)
        except TimeoutError:
            error = f"Timeout value of {self._limit} was exceeded by function: Functions.{function.name}"
            outcome = Outcome(ok=False, error=error)
            self._replace(process)
        took = round((time.monotonic() - started) * 1000)
        level, how = (logging.INFO, "Succeeded") if outcome.ok else (logging.ERROR, "Failed")
        ended = "Executed 'Functions.%s' (%s, Id=%s, Duration=%dms) %s"
        _log.log(level, ended, function.name, how, invocation, took, outcome.error)
        return outcome

    async def stop(self, *, kill: bool) -> None:
        """Stop the process: at once, or when it has sent its telemetry."""
        with contextlib.suppress(HostError):
            process = await self._current
            await process.stop(0 if kill else _FAREWELL)

    def _replace(self, process: "WorkerProcess") -> None:
        """Kill a process that a call hangs in. Its other calls hang until their own time limit."""
        if self._current.done() and self._current.result() is process:
            _log.warning("Worker process %d is killed and restarted", process.pid)
            process.kill()
            self._start_again()

    def _exited(self, process: "WorkerProcess", code: int) -> None:
        """Note that a process has died by itself."""
        now = time.monotonic()
        forgiven = not self._exits or now - self._exits[-1] > _FORGIVEN_AFTER
        self._exits = [now] if forgiven else [*self._exits, now]
        count = len(self._exits)
        _log.error("Worker process %d ended with code %d (%d of %d)", process.pid, code, count, _MOST_EXITS)
        if count < _MOST_EXITS:
            self._start_again()
        elif not self.broken.done():
            why = f"the worker process ended {_MOST_EXITS} times, the last with code {code}"
            self.broken.set_exception(HostError(f"{why}: see the app's output above"))

    def _start_again(self) -> None:
        def started(task: asyncio.Task[WorkerProcess]) -> None:
            if not task.cancelled() and (error := task.exception()) and not self.broken.done():
                self.broken.set_exception(error)

        self._current = asyncio.create_task(WorkerProcess.start(self._app, self._exited))
        self._current.add_done_callback(started)


OnExit = Callable[["WorkerProcess", int], None]


class WorkerProcess:
    """One process of the worker; create one with `start`."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_exit: OnExit,
    ) -> None:
        self.pid = process.pid
        self.functions: list[Function] = []
        self._process = process
        self._reader, self._writer = reader, writer
        self._on_exit: OnExit | None = on_exit
        self._calls: dict[str, asyncio.Future[Outcome]] = {}
        self._console = Thread(target=self._read_console, daemon=True)
        self._console.start()
        self._messages: asyncio.Task[None]

    @classmethod
    async def start(cls, app: Path, on_exit: OnExit) -> "WorkerProcess":
        """Start a process and load the app in it; `on_exit` is called if it dies by itself later.

        Raises:
            HostError: the app cannot be loaded.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = _start_worker(app, theirs)
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LONGEST_LINE)
        worker = cls(process, reader, writer, on_exit)
        try:
            await worker._load(app)
        except BaseException:
            await worker.stop(0)
            raise
        _log.info("Worker process started (pid %d)", worker.pid)
        worker._messages = asyncio.create_task(worker._read_messages())
        return worker

    async def call(self, function: Function, given: Input, invocation: str, retry: int) -> Outcome:
        """Call a function; the outcome is a failure if the process dies meanwhile."""
        message = {
            "id": invocation,
            "function": function.id,
            "parameter": given.parameter,
            "kind": given.kind,
            "content": given.content,
            "retry": retry,
            "most": function.retry.most if function.retry else 0,
        }
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._calls[invocation] = outcome
        try:
            self._send(message)
            return await outcome
        finally:
            del self._calls[invocation]

    def kill(self) -> None:
        """Kill it at once; its calls never finish."""
        self._on_exit = None
        self._process.kill()

    async def stop(self, patience: float) -> None:
        """Give it some seconds to exit by itself, then kill it."""
        self._on_exit = None
        if patience:
            self._send(None)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, patience)
        self.kill()
        await asyncio.to_thread(self._process.wait)
        self._console.join(_LAST_LINES)
        self._writer.close()

    def _send(self, message: dict[str, Any] | None) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def _load(self, app: Path) -> None:
        async for line in self._reader:
            message = json.loads(line)
            if "functions" in message:
                self.functions = [Function.read(reported) for reported in message["functions"]]
                return
            if "failed" in message:
                raise HostError(f"the worker cannot load {app / 'function_app.py'}: {message['failed']}")
            log_from_worker(*message["log"])
        code = await asyncio.to_thread(self._process.wait)
        raise HostError(
            f"the worker process ended with code {code} while it loaded {app / 'function_app.py'}"
        )

    async def _read_messages(self) -> None:
        with contextlib.suppress(ConnectionError):
            async for line in self._reader:
                message = json.loads(line)
                if "log" in message:
                    log_from_worker(*message["log"])
                elif (call := self._calls.get(message["ended"])) and not call.done():
                    call.set_result(Outcome(message["ok"], " ".join(message["error"].split())))
        code = await asyncio.to_thread(self._process.wait)
        if self._on_exit is not None:
            self._on_exit(self, code)
            for call in self._calls.values():
                if not call.done():
                    call.set_result(Outcome(ok=False, error=f"the worker process ended with code {code}"))

    def _read_console(self) -> None:
        """Write what the app prints, in a thread: processes that the app starts can hold the pipe open."""
        console = logging.getLogger("Host.Function.Console")
        if self._process.stdout is not None:  # it is a pipe
            with self._process.stdout as lines:
                for line in lines:
                    console.info("%s", line.decode(errors="replace").rstrip("\r\n"))


def _start_worker(app: Path, connection: socket.socket) -> "subprocess.Popen[bytes]":
    # A Ctrl-C, which reaches the whole group, is held until the script ignores it: it still imports. Not with
    # `scoring.interrupts`: this module also drives an app from a folder that has no `scoring`.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(
            [sys.executable, "-P", str(_WORKER_SCRIPT), str(app), str(connection.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[connection.fileno()],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
