"""`python -m pipeline report`."""

import argparse
import sys
from pathlib import Path

from pipeline.errors import EXIT_DONE, EXIT_FAILED

_EXAMPLE = """\
Fetches what the run left in the preds container into OUT/RUN: predictions, summary, rejects, report.

Example:
  python -m pipeline report timer-20261123-050000 --open

Exit codes: 0 fetched; 1 failed, or the run is not finished; 2 wrong use or settings.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("run", metavar="RUN", help="name of a run")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to fetch into (default: out)")
    parser.add_argument("--open", action="store_true", help="show the report in a browser")


def run(args: argparse.Namespace) -> int:
    """Fetch, and say where the report is."""
    import webbrowser

    from pipeline.fetch import fetch
    from pipeline.surroundings import open_context

    context = open_context()
    record = context.runs.load(args.run)
    folder = args.out / record.run
    count = fetch(context.store, record.run, folder)
    if not count:
        print(f"error: run {record.run} is {record.state} and has left nothing yet", file=sys.stderr)
        return EXIT_FAILED
    report = folder / "report.html"
    print(f"{count:,} files -> {folder}" + (f"; open {report}" if report.is_file() else ""))
    if args.open and report.is_file():
        webbrowser.open(report.resolve().as_uri())
    return EXIT_DONE
