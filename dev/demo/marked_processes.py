"""Finds and kills all processes of a demo: each carries a mark in its environment or on its command line.

The workers of the local engine and what they start are found by their command lines only, which contain the
name of the folder for temporary files: their environment does not have the mark, and may not be readable.
"""

import contextlib
import os
import signal
import tempfile

import psutil

MARK = "FLEET_DEMO"
"""Environment variable shared by all processes of one demo; each demo has its own value."""


def kill_marked(value: str) -> int:
    """Kill all processes with this mark except the current one; returns how many there were.

    That includes processes meant to outlive their parents, such as the workers of the local engine. The
    search repeats until it finds none: a process that is just starting has inherited its parent's mark.
    """
    killed = 0
    while found := marked(value):
        killed += len(found)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(found, timeout=5)
    return killed


def marked(value: str) -> list[psutil.Process]:
    """All running processes with this mark except the current one."""
    current, found = os.getpid(), []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            alive = process.pid != current and process.status() != psutil.STATUS_ZOMBIE
            if alive and _is_marked(process, value):
                found.append(process)
    return found


def temporary_folder(value: str) -> "tempfile.TemporaryDirectory[str]":
    """A folder for temporary files, `TMPDIR`, whose name marks the processes that get it."""
    return tempfile.TemporaryDirectory(prefix=f"fleet-{value}-", ignore_cleanup_errors=True)


def _is_marked(process: psutil.Process, value: str) -> bool:
    if any(f"fleet-{value}-" in word for word in process.cmdline()):
        return True
    return process.environ().get(MARK) == value
