"""`python -m pipeline cleanup`."""

import argparse
import re
from datetime import timedelta

from pipeline.errors import EXIT_DONE, InvalidRequest
from scoring.printable import counted

_EXAMPLE = """\
Removes predictions and logs of runs that finished long ago. Readings and models are never touched. The claim
of a landing, which says that it was scored, and the record of its run stay as long as the landing exists:
`runs` lists it, and `submit --again` scores it again.

Example:
  python -m pipeline cleanup --older-than 90d --dry-run

Exit codes: 0 done; 1 failed; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "--older-than", metavar="AGE", default="30d", help="such as 12h or 90d (default: 30d)"
    )
    parser.add_argument("--dry-run", action="store_true", help="list what would be removed, remove nothing")


def run(args: argparse.Namespace) -> int:
    """Remove the results, and print a line for each run."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.cleanup import old_runs, remove
    from pipeline.pages.index import update_index

    age = _age(args.older_than)
    context = open_context()
    count = 0
    for removal in old_runs(context, age, context.clock()):
        if not args.dry_run:
            remove(context, removal)
        print(removal)
        count += 1
    if count and not args.dry_run:
        update_index(context.store, context.settings.late_sweep, context.clock())
    print(f"{'would clean up' if args.dry_run else 'cleaned up'} {counted(count, 'run')}")
    return EXIT_DONE


def _age(text: str) -> timedelta:
    if not (found := re.fullmatch(r"([0-9]{1,5})([hd])", text)):
        raise InvalidRequest(f"--older-than {text}: expected hours or days, such as 12h or 90d")
    number = int(found[1])
    return timedelta(hours=number) if found[2] == "h" else timedelta(days=number)
