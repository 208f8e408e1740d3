"""Entry of `python -m scoring` and of the command `fleet-scoring`."""

import atexit
import gc
import sys

from scoring.interrupts import exit_on_interrupt


def run() -> None:
    """Run this process's command line, and end it with the exit code."""
    exit_on_interrupt()
    from scoring.cli import main

    # What is imported and loaded stays to the end. Looking through it for cycles as often as Python does by
    # default, and once more at the end, takes a fifth of a short step's time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    # Threads that score hold the interpreter briefly: let them hand it over sooner than after Python's 5 ms.
    sys.setswitchinterval(0.0002)
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
