"""The worker's end of the warmed process, from which steps are forked (`step_server.py`).

An interpreter that has imported numpy and arrow takes a fifth of a second of processor time to start; a fork
of it takes some milliseconds. Only on Linux: elsewhere, libraries do not allow a fork without a new program.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from pipeline.engines.local import step_server

_MODULE = ("-m", "scoring")

_START_SECONDS = 60
"""Longest wait for a step to be forked; the first one waits for the imports."""
_REPLY_SECONDS = 60
"""Longest wait for the exit code of a step that has ended; a warmed process that hangs never sends it."""


class WarmedEnded(Exception):
    """The warmed process has ended, or refuses the request: start the step instead."""


class Forked:
    """A step of the warmed process."""

    def __init__(self, pid: int, replies: int) -> None:
        self.pid = pid
        self._replies = replies

    def wait(self) -> int:
        """Its exit code, or minus the number of the signal that ended it; as `subprocess` gives them."""
        try:
            self._wait_for_reply()
            return _number(self._replies)
        except WarmedEnded:  # nothing is known of the step any more
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            return -signal.SIGKILL
        finally:
            os.close(self._replies)

    def _wait_for_reply(self) -> None:
        try:
            step = os.pidfd_open(self.pid)
        except OSError:  # it has ended, and its reply is there; or this system has no such files
            return
        try:
            either = select.poll()
            either.register(self._replies, select.POLLIN)
            either.register(step, select.POLLIN)
            either.poll()
        finally:
            os.close(step)
        if not _has_reply(self._replies, _REPLY_SECONDS):
            raise WarmedEnded


class Warmed:
    """A process that has imported `scoring` and runs `python -m scoring` in forks of itself."""

    def __init__(self, python: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it, and do not wait; steps have this working folder and environment."""
        self._kind = ((python, *_MODULE), folder, dict(environment))
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [python, "-P", str(step_server.__file__), str(theirs.fileno())],
                cwd=folder,
                env=self._kind[2],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @classmethod
    def where_possible(cls, python: str, folder: Path, environment: Mapping[str, str]) -> Self | None:
        """Start it, if this system can fork a process that has imported numpy and arrow."""
        return cls(python, folder, environment) if sys.platform == "linux" else None

    @property
    def pid(self) -> int:
        """The id of its process, and of its process group."""
        return self._process.pid

    def can_run(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> bool:
        """Whether it can run this command line as it would run by itself."""
        return (tuple(command[:3]), folder, environment) == self._kind

    def start(self, command: Sequence[str], output: int) -> Forked:
        """Run a command that it can run; `output` gets what the step prints.

        Raises:
            WarmedEnded: it does not accept the request.
        """
        replies, theirs = os.pipe()
        try:
            socket.send_fds(self._requests, [json.dumps(command[1:]).encode()], [output, theirs])
        except OSError as error:
            os.close(replies)
            raise WarmedEnded from error
        finally:
            os.close(theirs)
        try:
            if not _has_reply(replies, _START_SECONDS):
                self._process.kill()  # so that it does not start the step later
            return Forked(_number(replies), replies)
        except WarmedEnded:
            os.close(replies)
            raise

    def close(self) -> None:
        """End it, when its steps have ended."""
        self._requests.close()
        self._process.kill()  # it can still be importing
        self._process.wait()


def _has_reply(replies: int, seconds: float) -> bool:
    """Whether there is something to read of a pipe, or its other end is closed, within this time."""
    waiting = select.poll()
    waiting.register(replies, select.POLLIN)
    return bool(waiting.poll(1000 * seconds))


def _number(replies: int) -> int:
    """The next line of a pipe; each is written at once."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(replies, 1)
        if not more:
            raise WarmedEnded
        line += more
    return int(line)
