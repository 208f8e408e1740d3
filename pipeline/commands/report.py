"""`python -m pipeline report`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from pipeline.flow.context import Context
    from pipeline.flow.status import View

_EXAMPLE = """\
Fetches what the run left in the preds container into OUT/RUN (predictions, summary, rejects) and writes its
report there again, with what the pipeline knows of the run: why there is it, when, how long, what went wrong.
A run that left nothing has a report, too: it says how the run stands, and why.

Example:
  python -m pipeline report timer-20261123-050000 --open

Exit codes: 0 written; 1 failed, or the run is not over; 2 wrong use or settings.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("run", metavar="RUN", help="name of a run")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to fetch into (default: out)")
    parser.add_argument("--open", action="store_true", help="show the report in a browser")


def run(args: argparse.Namespace) -> int:
    """Fetch, write the report, and say where it is."""
    import webbrowser

    from pipeline.commands.local_settings import open_context
    from pipeline.pages.fetch import fetch
    from pipeline.pages.run_scoring import write_report

    context = open_context()
    view = _look(context, args.run)
    record = view.record
    folder = args.out / record.run
    count = fetch(context.store, record.run, folder)
    folder.mkdir(parents=True, exist_ok=True)
    report = write_report(record, view.steps, folder)
    print(f"{count:,} files -> {folder}; open {report}")
    if args.open:
        webbrowser.open(report.resolve().as_uri())
    if not record.state.final:
        print(
            f"error: run {record.run} is {record.state}: what it has left so far is not all", file=sys.stderr
        )
        return EXIT_FAILED
    return EXIT_DONE


def _look(context: "Context", run: str) -> "View":
    """The run as it stands; without its steps where the engine cannot be asked any more."""
    from pipeline.errors import EngineError
    from pipeline.flow.status import View, look

    try:
        return look(context, run)
    except EngineError as error:
        print(f"the report tells nothing of the steps: {error}", file=sys.stderr)
        return View(context.runs.load(run), [])
