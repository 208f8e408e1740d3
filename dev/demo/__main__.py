"""Entry of `python -m dev.demo`, which `make run` calls."""

import sys

from scoring.interrupts import exit_on_interrupt

if __name__ == "__main__":
    exit_on_interrupt()
    from dev.demo.command import main

    sys.exit(main(sys.argv[1:]))
