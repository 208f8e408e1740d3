"""Entry of `python -m dev.start`, which `make start` calls."""

import sys

from scoring.interrupts import exit_on_interrupt

if __name__ == "__main__":
    exit_on_interrupt()
    from dev.start.command import main

    sys.exit(main(sys.argv[1:]))
