"""Ends the steps of a worker that died: a small process of its own, run by its path and without our imports.

The worker writes a line on its standard input for each step that begins (`+<process group>`) or is over
(`-<process group>`). When that pipe ends, the worker has: what still runs is killed.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read until the end, then kill."""
    groups = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(OSError):  # it is over already
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
