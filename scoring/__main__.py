"""Entry of `python -m scoring`."""

import atexit
import gc
import sys

from scoring.cli import main

if __name__ == "__main__":
    # What is imported and loaded stays to the end: to look through it for cycles as often as Python does by
    # default, and once more when all is done, takes a fifth of a short step's time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    # Threads that score wait for the interpreter now and then, but hold it briefly: they hand it over sooner
    # than after Python's 5 ms.
    sys.setswitchinterval(0.0002)
    sys.exit(main(sys.argv[1:]))
