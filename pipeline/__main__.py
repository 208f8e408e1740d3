"""Entry of `python -m pipeline` and of the command `fleet-pipeline`."""

import atexit
import gc
import sys

from pipeline.cli import main


def run() -> None:
    """Run this process's command line, and end it with the exit code."""
    # The SDKs are imported once and stay: looking through them for cycles takes a fifth of a command's time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
