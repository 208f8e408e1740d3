"""`python -m pipeline cancel`."""

import argparse
import sys

from pipeline.commands.run_argument import add_run, named_run
from pipeline.errors import EXIT_DONE

_EXAMPLE = """\
Its landings stay claimed: no other run scores them, except with `submit --again`. A failed run that waits for
its retry is not retried.

Example:
  python -m pipeline cancel timer-20261123-050000

Exit codes: 0 requested; 1 failed, or there is no such run; 2 it has finished already, or usage error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_run(parser)


def run(args: argparse.Namespace) -> int:
    """Request that a run stops."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.cancel import cancel
    from pipeline.flow.status import LANDINGS_STAY_CLAIMED

    context = open_context()
    print(cancel(context, named_run(context, args)))
    print(f"next: {LANDINGS_STAY_CLAIMED}", file=sys.stderr)
    return EXIT_DONE
