"""`python -m pipeline submit`."""

import argparse
import secrets

from pipeline.errors import EXIT_DONE, EXIT_FAILED, InvalidRequest
from scoring.printable import printable

_EXAMPLE = """\
Submits one run for all these blobs. It skips landings that other runs have claimed, except with --again.

Example:
  python -m pipeline submit 2018/08/28/site-a.csv
  python -m pipeline submit --prefix 2018/08/ --again --run august-again

Exit codes: 0 submitted, or nothing to score; 1 failed, or the run exists already; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("blobs", metavar="BLOB", nargs="*", help="name of a blob in the data container")
    parser.add_argument("--prefix", help="all blobs whose names start with this; '' is all of them")
    parser.add_argument("--again", action="store_true", help="also score landings of other runs")
    parser.add_argument("--run", metavar="NAME", help="name of the run (default: made from the time)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Submit, and print the result in one line."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.submit import Outcome, submit_manual
    from pipeline.terminal.tables import show_json

    if bool(args.blobs) == (args.prefix is not None):
        raise InvalidRequest("give either names of blobs or --prefix")
    submission = submit_manual(
        open_context(),
        blobs=args.blobs,
        prefix=args.prefix,
        name=args.run,
        again=args.again,
        random_hex=secrets.token_hex(3),
    )
    if args.json:
        show_json(
            {
                "run": submission.run,
                "outcome": submission.outcome.value,
                "landings": submission.landings,
                "reason": submission.reason,
            }
        )
    else:
        print(printable(str(submission)))
    return EXIT_FAILED if submission.outcome is Outcome.ALREADY else EXIT_DONE
