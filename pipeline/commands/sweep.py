"""`python -m pipeline sweep`."""

import argparse
import secrets
from dataclasses import asdict

from pipeline.errors import EXIT_DONE

_EXAMPLE = """\
Scores every landing that no run has claimed, takes up runs that broke off, tries failed ones again and
replaces dead workers. Where there is nothing to do it says so. Safe at any time, also beside the timer.

Example:
  python -m pipeline sweep

Exit codes: 0 done; 1 failed; 2 wrong use or settings.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Sweep, and say in one line what was found and done."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.sweep import sweep
    from pipeline.terminal.tables import show_json

    report = sweep(open_context(), None, random_hex=secrets.token_hex(3))
    if args.json:
        show_json(
            {
                "run": report.run,
                "landings": report.landings,
                "attended": asdict(report.attended),
                "reason": report.reason,
            }
        )
    else:
        print(report)
    return EXIT_DONE
