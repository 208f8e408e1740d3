"""`python -m pipeline cancel`."""

import argparse

from pipeline.errors import EXIT_DONE, UsageError

_EXAMPLE = """\
Its landings stay claimed: no other run scores them, unless `submit --again` is asked to.

Example:
  python -m pipeline cancel timer-20261123-050000

Exit codes: 0 it was asked to stop; 1 failed, or there is no such run; 2 it is over already, or wrong use.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("run", metavar="RUN", help="name of a run")


def run(args: argparse.Namespace) -> int:
    """Ask a run to stop."""
    from pipeline.runs import RunState
    from pipeline.runspage import renew
    from pipeline.surroundings import open_context

    context = open_context()
    record = context.runs.load(args.run)
    if record.state.final:
        raise UsageError(f"run {record.run} is {record.state} already")
    context.runs.request_cancel(record.run)
    if record.state is not RunState.PENDING:
        context.engine.cancel(record.run)
        renew(context.store)  # it may be over at once
    print(f"run {record.run} is asked to stop")
    return EXIT_DONE
