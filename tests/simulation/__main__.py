"""`python -m tests.simulation --steps 100000`: look for as long as it takes, and tell how much was tried."""

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
    """Run examples until so many steps were taken; a counterexample is printed and raised."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=100_000, help="requests to storage and engine, at least")
    wanted = parser.parse_args().steps
    account.PARALLEL = 1  # the simulation decides what comes first
    claims.MANY = 2  # of more, listings tell, which may be late
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
    told = ", ".join(f"{count:,} {what}" for what, count in total.items())
    print(f"no counterexample in {told}; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
