"""Processes that do not outlive the one that started them."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def start_child(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path | None = None
) -> subprocess.Popen[str]:
    """Start a process in a group of its own, whose output and errors come through one pipe.

    A Ctrl-C in the terminal does not reach it: whoever started it ends it. Its standard input is a pipe on
    which nothing ever comes: it ends when the starter does, however that happens, which is the child's sign.
    """
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end_child(child: subprocess.Popen[str], patience: float = 12.0) -> int:
    """Ask a process to end, insist after so many seconds; returns its exit code."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # whatever is left of its group
    if child.stdin:
        child.stdin.close()
    return child.wait()
