"""`python -m pipeline report`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.run_argument import add_run, named_run
from pipeline.errors import EXIT_DONE, EXIT_FAILED
from scoring.printable import counted

if TYPE_CHECKING:
    from pipeline.flow.context import Context
    from pipeline.flow.status import View

_EXAMPLE = """\
Downloads the results of the run (predictions, summary, rejects) from the preds container into OUT/RUN, and
writes the report there again, with facts from the pipeline: cause, times, steps and errors. A run without
results also gets a report: it shows the state of the run, and why.

Example:
  python -m pipeline report timer-20261123-050000 --open

Exit codes: 0 written; 1 failed, or the run has not finished; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_run(parser)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to download to (default: out)")
    parser.add_argument("--open", action="store_true", help="show the report in a browser")


def run(args: argparse.Namespace) -> int:
    """Download the results, write the report, and print its path."""
    import webbrowser

    from pipeline.commands.local_settings import open_context
    from pipeline.pages.fetch import fetch, shortfall
    from pipeline.pages.report import write_report

    context = open_context()
    view = _look(context, named_run(context, args))
    record = view.record
    folder = args.out / record.run
    count = fetch(context.store, record.run, folder)
    folder.mkdir(parents=True, exist_ok=True)
    report = write_report(record, view.steps, folder)
    missing = shortfall(record, count)
    if count:
        print(f"{counted(count, 'file')} -> {folder}; open {report}")
    else:
        print(f"{missing}; open {report}" if record.state.final else f"its state: open {report}")
    if args.open:
        webbrowser.open(report.resolve().as_uri())
    if not record.state.final:
        print(f"error: {missing}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def _look(context: "Context", run: str) -> "View":
    """The status of the run; without its steps if the engine does not respond any more."""
    from pipeline.errors import EngineError
    from pipeline.flow.status import View, view_run

    try:
        return view_run(context, run)
    except EngineError as error:
        print(f"the report does not show the steps: {error}", file=sys.stderr)
        return View(context.runs.load(run), [])
