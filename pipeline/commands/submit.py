"""`python -m pipeline submit`."""

import argparse
import secrets
import sys
from typing import TYPE_CHECKING

from pipeline.commands.time_argument import utc_time
from pipeline.errors import EXIT_DONE, EXIT_FAILED, InvalidRequest
from scoring.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.runs.landing import Landing

_EXAMPLE = """\
Submits one run for all these blobs. It skips landings that other runs have claimed, except with --again.
--prefix, --since and --until together choose a range. Times are when a blob was last modified, that is,
uploaded; a date in the name of a blob is part of --prefix. They are UTC, unless they have an offset.

Example:
  python -m pipeline submit 2018/08/28/site-a.csv
  python -m pipeline submit --prefix 2018/08/ --again --run august-again
  python -m pipeline submit --since 2026-11-01 --until 2026-12-01 --again --dry-run

Exit codes: 0 submitted, or nothing to score; 1 failed, or the run exists already; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("blobs", metavar="BLOB", nargs="*", help="name of a blob in the data container")
    parser.add_argument("--prefix", help="all blobs whose names start with this; '' is all of them")
    parser.add_argument(
        "--since", type=utc_time, metavar="TIME", help="blobs last modified then or later, as in 2026-11-01"
    )
    parser.add_argument(
        "--until",
        type=utc_time,
        metavar="TIME",
        help="blobs last modified before then, as in 2026-11-01T06:00",
    )
    parser.add_argument("--again", action="store_true", help="also score landings of other runs")
    parser.add_argument("--run", metavar="NAME", help="name of the run (default: made from the time)")
    parser.add_argument("--dry-run", action="store_true", help="print what would be scored, submit nothing")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Submit, and print the result in one line."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.manual import Request, requested_landings, submit_manual
    from pipeline.flow.submit import Outcome
    from pipeline.terminal.tables import show_json

    in_range = any(value is not None for value in (args.prefix, args.since, args.until))
    if bool(args.blobs) == in_range:
        raise InvalidRequest("give either names of blobs or a range: --prefix, --since, --until")
    if args.since and args.until and args.since >= args.until:
        raise InvalidRequest("--since is not before --until: nothing can be in that range")
    request = Request(args.blobs or None, args.prefix or "", args.since, args.until)
    context = open_context()
    if args.dry_run:
        landings = requested_landings(context, request)
        claimed = len(landings) - len(context.runs.unclaimed(landings))
        if args.json:
            show_json({"landings": [landing.name for landing in landings], "claimed": claimed})
        else:
            print(_plan(landings, claimed, again=args.again))
        return EXIT_DONE
    submission = submit_manual(
        context, request, name=args.run, again=args.again, random_hex=secrets.token_hex(3)
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
        if submission.outcome is Outcome.EMPTY:
            print("add --again to score landings of other runs again", file=sys.stderr)
    return EXIT_FAILED if submission.outcome is Outcome.ALREADY else EXIT_DONE


def _plan(landings: "Sequence[Landing]", claimed: int, *, again: bool) -> str:
    """What would be submitted, in one line."""
    taken = len(landings) if again else len(landings) - claimed
    size = sum(landing.size for landing in landings) / 1e6
    names = landings[0].name if len(landings) == 1 else f"{landings[0].name} to {landings[-1].name}"
    what = "scored again" if again else "skipped without --again"
    return (
        f"one run would score {taken:,} of {len(landings):,} landings, {size:,.1f} MB in all ({names}); "
        f"{claimed:,} of them {'is' if claimed == 1 else 'are'} in other runs and would be {what}"
    )
