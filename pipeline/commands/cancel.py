"""`python -m pipeline cancel`."""

import argparse

from pipeline.errors import EXIT_DONE

_EXAMPLE = """\
Its landings stay claimed: no other run scores them, unless `submit --again` is asked to. A run that has
failed and waits for its next try is not tried again.

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
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.cancel import cancel

    print(cancel(open_context(), args.run))
    return EXIT_DONE
