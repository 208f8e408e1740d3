"""Kills the steps of a worker that died: a separate process, run by its path, that imports nothing of ours.

The worker writes a line to its standard input for each step that starts (`+<process group>`) or finishes
(`-<process group>`). When that pipe closes, the worker has ended: the remaining steps are killed.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read until the pipe closes, then kill."""
    groups = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(OSError):  # it has finished already
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
