"""`python -m pipeline submit`."""

import argparse
import secrets

from pipeline.errors import EXIT_DONE, EXIT_FAILED, UsageError

_EXAMPLE = """\
One run for all blobs that are named. What another run has claimed already is left out, unless --again.

Example:
  python -m pipeline submit 2018/08/28/site-a.csv
  python -m pipeline submit --prefix 2018/08/ --again --run august-again

Exit codes: 0 submitted, or there was nothing left to score; 1 failed; 2 wrong use or settings.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("blobs", metavar="BLOB", nargs="*", help="name of a blob in the data container")
    parser.add_argument("--prefix", help="all blobs whose names start so")
    parser.add_argument("--all", action="store_true", help="everything in the data container")
    parser.add_argument("--again", action="store_true", help="also what other runs have scored")
    parser.add_argument("--run", metavar="NAME", help="the run's name; made from the time without it")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Submit, and say in one line what came of it."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.submit import Outcome, submit_manual
    from pipeline.terminal.tables import show_json

    if bool(args.blobs) + (args.prefix is not None) + args.all != 1:
        raise UsageError("name blobs, or --prefix, or --all: one of the three")
    submission = submit_manual(
        open_context(),
        blobs=args.blobs,
        prefix="" if args.all else args.prefix,
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
        print(submission)
    return EXIT_FAILED if submission.outcome is Outcome.ALREADY else EXIT_DONE
