"""Entry of `python -m dev.host`."""

import sys

from scoring.interrupts import exit_on_interrupt

if __name__ == "__main__":
    exit_on_interrupt()
    from dev.host.command import main

    sys.exit(main(sys.argv[1:]))
