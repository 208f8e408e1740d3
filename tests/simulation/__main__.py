"""`python -m tests.simulation --steps 100000`: search longer, and report how much was tried."""

import argparse
import sys
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import FIXED, Fleet, total

EXAMPLES, STEPS = 100, 50


def main() -> int:
    """Run examples for this many steps; print and raise a counterexample."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=main.__doc__)
    parser.add_argument(
        "--steps", type=int, default=100_000, help="minimum number of requests to storage and engine"
    )
    wanted = parser.parse_args().steps
    for module, name, value in FIXED:
        setattr(module, name, value)
    began = time.monotonic()
    while total["requests"] < wanted:
        run_state_machine_as_test(
            Fleet,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    counts = ", ".join(f"{count:,} {what}" for what, count in total.items())
    print(f"no counterexample in {counts}; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
