"""The argument that names a run, by its name, the start of it, or `latest`."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.flow.context import Context

NO_RUNS = (
    "no runs yet: upload readings; python -m pipeline sweep scores those that are there, "
    "and python -m pipeline doctor says what is missing"
)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the argument."""
    parser.add_argument("run", metavar="RUN", help="name of a run, the start of its name, or `latest`")


def named_run(context: "Context", args: argparse.Namespace) -> str:
    """The name of the run.

    Raises:
        UnknownRun: there is no such run.
        InvalidRequest: several runs have names that start so.
    """
    from pipeline.errors import UnknownRun
    from pipeline.runs.lookup import find_run
    from pipeline.runs.names import LATEST

    try:
        return find_run(context.runs, args.run)
    except UnknownRun as error:
        raise UnknownRun(NO_RUNS if args.run == LATEST else str(error)) from error
