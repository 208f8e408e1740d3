"""Entry of `python -m pipeline` and of the command `fleet-pipeline`."""

import atexit
import gc
import sys

from scoring.interrupts import exit_on_interrupt


def run() -> None:
    """Run this process's command line, and end it with the exit code."""
    exit_on_interrupt()
    from pipeline.cli import main

    # The SDKs are imported once and stay: looking through them for cycles takes a fifth of a command's time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
