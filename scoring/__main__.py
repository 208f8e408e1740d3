"""Entry point of `python -m scoring`."""

import atexit
import gc
import sys

from scoring.cli import main

if __name__ == "__main__":
    # Imported and loaded objects live until the end: searching them for cycles as often as Python does by
    # default, and once more at exit, takes a fifth of a short step's time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    # Threads that score need the interpreter often but briefly: they hand it over sooner than after Python's
    # 5 ms.
    sys.setswitchinterval(0.0002)
    sys.exit(main(sys.argv[1:]))
