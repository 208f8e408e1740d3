"""Forks steps from a process that has imported what they need: run by its path, without `pipeline`.

    python -P step_server.py SOCKET

A request on SOCKET is a JSON list, what follows `python` on the command line of a step (`-m scoring …`), with
two files: the step's log, and a pipe for the replies. Those are lines: the id of the step's process when
it runs, in a process group of its own, and its exit code as `subprocess` gives it when it has ended. When
SOCKET closes, the worker has ended: the remaining steps are killed.

A step is what `python -m scoring …` would be: the same working folder, environment and code, and an exit code
and output of its own. It is a copy of this process, which starts without secrets, has one thread and does no
work of its own.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from typing import Any

_MOST_BYTES = 1 << 20
"""Longest request: the operating system limits a command line to less."""

_SET_NAME = 15
"""`PR_SET_NAME` of Linux."""


class _Server:
    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._replies: dict[int, int] = {}
        """The pipe of each running step, by the id of its process."""
        self._children, self._wakeup = os.pipe()
        for end in (self._children, self._wakeup):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler, the pipe is not written
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)

    def serve(self) -> list[str] | None:
        """Serve requests; returns in each step with its command line, and at the end with None."""
        while True:
            sources: list[Any] = [self._requests, self._children]
            ready, _, _ = select.select(sources, [], [])
            if self._children in ready:
                os.read(self._children, 4096)
                self._report()
            if self._requests in ready:
                request, files, _, _ = socket.recv_fds(self._requests, _MOST_BYTES, 2)
                if not request:
                    break
                words: list[str] = json.loads(request)
                if self._fork(*files):
                    _name(words)
                    return words
        for group in self._replies:
            with contextlib.suppress(OSError):  # it has ended already
                os.killpg(group, signal.SIGKILL)
        return None

    def _fork(self, log: int, reply: int) -> bool:
        """Start a step; returns True in the step."""
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(log, 1)
            os.dup2(log, 2)
            self._requests.close()
            for file in (log, reply, self._children, self._wakeup, *self._replies.values()):
                os.close(file)
            return True
        with contextlib.suppress(OSError):  # the step was faster, or has ended
            os.setpgid(pid, pid)
        os.close(log)
        self._replies[pid] = reply
        self._send(reply, pid)
        return False

    def _report(self) -> None:
        """Report the steps that have ended."""
        while self._replies:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            reply = self._replies.pop(pid)
            self._send(reply, os.waitstatus_to_exitcode(status))
            os.close(reply)

    def _send(self, reply: int, number: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # the worker has ended, which closes the socket too
            os.write(reply, b"%d\n" % number)


def _name(words: list[str]) -> None:
    """Let `top` and `ps -o comm` show which step a process is, by its first 15 bytes: `score 1_3`."""
    which = next((word.partition("=")[2] for word in words if word.startswith(("--key=", "--shard="))), "")
    ctypes.CDLL(None).prctl(_SET_NAME, f"{''.join(words[2:3])} {which}".encode(), 0, 0, 0)


def main() -> None:
    """Serve until the worker ends; in a step, run its command line."""
    importlib.import_module("scoring.preload")
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - without importing pathlib
    if threads > 1:
        sys.exit(f"{threads} threads run after the imports: steps cannot be forked safely")
    gc.collect()
    gc.freeze()  # what steps share stays shared: a collection would write to it
    words = _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    if words is not None:
        _run(words)


def _run(words: list[str]) -> None:
    """Run a command line of the form `-m MODULE …`, and end."""
    sys.argv = words[1:]
    try:
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        # Without taking down what the interpreter shares with the others: as long as a short step takes.
        os._exit(end.code)


if __name__ == "__main__":
    main()
