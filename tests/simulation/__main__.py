"""`python -m tests.simulation --steps 100000`: search for counterexamples and print how much was tried."""

import argparse
import sys
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from pipeline.runs import claims
from pipeline.storage import account
from tests.simulation.machine import Fleet, total

EXAMPLES, STEPS = 100, 50


def main() -> int:
    """Run examples for this many steps; print and raise a counterexample."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=main.__doc__)
    parser.add_argument(
        "--steps", type=int, default=100_000, help="minimum number of requests to storage and engine"
    )
    wanted = parser.parse_args().steps
    account.PARALLEL = 1  # the simulation decides the order of requests
    claims.MANY = 2  # more claims are read from a listing, which can be late
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
    figures = ", ".join(f"{count:,} {name}" for name, count in total.items())
    print(f"no counterexample in {figures}; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
