"""Child processes that do not outlive their parent."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def start_child(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path | None = None
) -> subprocess.Popen[str]:
    """Start a process in its own session, with stdout and stderr in one pipe.

    Ctrl-C in the terminal does not reach the child: its parent must end it. Nothing is ever written to its
    standard input, a pipe that closes when the parent exits for any reason: the child exits on that signal.
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
    """Terminate a process, and kill its group after `patience` seconds; returns its exit code."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # the rest of its group
    if child.stdin:
        child.stdin.close()
    return child.wait()
