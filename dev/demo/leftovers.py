"""Everything that was started carries a mark in its environment, and is found by it in the end."""

import contextlib
import os
import signal

import psutil

MARK = "FLEET_DEMO"
"""Environment variable that all processes of one demo share; its value is that demo's own."""


def end_marked(value: str) -> int:
    """Kill all processes with this mark but this one; returns how many there were.

    Also those that were started to outlive their parents, such as the workers of the local engine. Looks
    again until none is found: one that is just being started has its parent's mark.
    """
    ended = 0
    while found := marked(value):
        ended += len(found)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(found, timeout=5)
    return ended


def marked(value: str) -> list[psutil.Process]:
    """All living processes with this mark but this one."""
    mine, found = os.getpid(), []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            alive = process.pid != mine and process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(MARK) == value:
                found.append(process)
    return found
