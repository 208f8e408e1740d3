"""`python -m pipeline watch`."""

import argparse

from pipeline.commands.run_argument import add_run, named_run
from pipeline.errors import EXIT_DONE, EXIT_FAILED

_EXAMPLE = """\
Shows a progress bar on a terminal, otherwise a line for each change.

Example:
  python -m pipeline watch latest

Exit codes: 0 the run succeeded; 1 it did not, or watching failed; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_run(parser)
    parser.add_argument("--logs", action="store_true", help="also show the logs of its steps")


def run(args: argparse.Namespace) -> int:
    """Follow a run until it finishes."""
    from pipeline.commands.local_settings import open_context
    from pipeline.runs.record import RunState
    from pipeline.terminal.watch import follow

    context = open_context()
    view = follow(context, named_run(context, args), logs=args.logs)
    return EXIT_DONE if view.state in {RunState.SUCCEEDED, RunState.EMPTY} else EXIT_FAILED
