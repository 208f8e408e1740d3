"""`python -m pipeline download`."""

import argparse
import sys
from pathlib import Path

from pipeline.commands.run_argument import add_run, named_run
from pipeline.errors import EXIT_DONE, EXIT_FAILED
from scoring.printable import counted

_EXAMPLE = """\
Downloads the results of a run (predictions, summary, rejects, report) from the preds container into OUT/RUN,
as they are there. `report` also writes the report again, with facts from the pipeline.

Example:
  python -m pipeline download latest

Exit codes: 0 downloaded; 1 failed, or the run has not finished or has no results; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_run(parser)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to download to (default: out)")


def run(args: argparse.Namespace) -> int:
    """Download the results with progress, and print where they are."""
    from pipeline.commands.local_settings import open_context
    from pipeline.pages.fetch import download, results, shortfall
    from pipeline.terminal.progress import transfer

    context = open_context()
    record = context.runs.load(named_run(context, args))
    found = results(context.store, record.run)
    folder = args.out / record.run
    if found:
        files = counted(len(found), "file")
        with transfer(f"downloading {files}", sum(blob.size for blob in found)) as advance:
            download(context.store, found, folder, advance)
        print(f"{files} -> {folder}")
    if missing := shortfall(record, len(found)):
        print(f"error: {missing}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE
