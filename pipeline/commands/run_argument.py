"""The argument that names a run, by its name, the start of it, or `latest`."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.flow.context import Context


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the argument."""
    parser.add_argument("run", metavar="RUN", help="name of a run, the start of its name, or `latest`")


def named_run(context: "Context", args: argparse.Namespace) -> str:
    """The name of the run.

    Raises:
        UnknownRun: there is no such run.
        InvalidRequest: several runs have names that start so.
    """
    from pipeline.runs.lookup import find_run

    return find_run(context.runs, args.run)
