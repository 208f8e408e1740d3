"""Entry of `python -m pipeline`."""

import atexit
import gc
import sys

from pipeline.cli import main

if __name__ == "__main__":
    # The SDKs stay loaded; searching them for reference cycles would take a fifth of a command's time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    sys.exit(main(sys.argv[1:]))
