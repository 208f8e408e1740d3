"""`python -m pipeline watch`."""

import argparse
import re
import sys
import time
from typing import TYPE_CHECKING

from pipeline.commands.run_argument import add_run, named_run
from pipeline.errors import EXIT_DONE, EXIT_FAILED
from scoring.printable import printable

if TYPE_CHECKING:
    from pipeline.flow.context import Context

_EXAMPLE = """\
Shows a progress bar on a terminal, otherwise a line for each change. Waits a minute for the run of a blob
that has just arrived, and for the first run of all.

Example:
  python -m pipeline watch latest

Exit codes: 0 the run succeeded; 1 it did not, or watching failed; 2 usage or settings error.
"""
_PATIENCE = 60
"""Seconds that a trigger has to make the run."""
_BLOB_RUN = re.compile("blob-[0-9a-f]+")
"""`upload` prints such a name, or its start, before the run exists."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_run(parser)
    parser.add_argument("--logs", action="store_true", help="also show the logs of its steps")


def run(args: argparse.Namespace) -> int:
    """Follow a run until it finishes."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.status import follow_up
    from pipeline.runs.record import RunState
    from pipeline.terminal.watch import follow

    context = open_context()
    view = follow(context, _run_once_it_exists(context, args), logs=args.logs)
    if following := follow_up(context, view.record):
        print(f"next: {printable(following)}", file=sys.stderr)
    return EXIT_DONE if view.state in {RunState.SUCCEEDED, RunState.EMPTY} else EXIT_FAILED


def _run_once_it_exists(context: "Context", args: argparse.Namespace) -> str:
    """The name of the run; waits where a trigger can be about to make it.

    Raises:
        UnknownRun: there is none.
        NothingPublished: there is none, and no trigger can make it.
    """
    from pipeline.errors import UnknownRun
    from pipeline.published.publish import current
    from pipeline.runs.names import LATEST

    for second in range(_PATIENCE):
        try:
            run = named_run(context, args)
            if not _BLOB_RUN.fullmatch(run) or context.runs.exists(run):
                return run
        except UnknownRun:
            if args.run != LATEST:
                raise
        if not second:
            current(context.store)
            print(f"waiting {_PATIENCE} s for the run ...", file=sys.stderr, flush=True)
        time.sleep(1)
    return named_run(context, args)
