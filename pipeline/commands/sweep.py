"""`python -m pipeline sweep`."""

import argparse
import secrets
from dataclasses import asdict

from pipeline.errors import EXIT_DONE
from scoring.printable import printable

_EXAMPLE = """\
Scores every unclaimed landing, resumes interrupted runs, retries failed ones and replaces dead workers. Safe
at any time, also while the timer sweeps.

Example:
  python -m pipeline sweep

Exit codes: 0 done; 1 failed; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Sweep, and print the result in one line."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.sweep import sweep
    from pipeline.terminal.tables import show_json

    report = sweep(open_context(), None, random_hex=secrets.token_hex(3))
    if args.json:
        show_json(
            {
                "run": report.run,
                "landings": report.landings,
                "recovered": asdict(report.recovered),
                "reason": report.reason,
            }
        )
    else:
        print(printable(str(report)))
    return EXIT_DONE
