"""`python -m pipeline runs`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.run_argument import NO_RUNS
from pipeline.errors import EXIT_DONE, InvalidRequest
from scoring.printable import counted

if TYPE_CHECKING:
    from pipeline.flow.context import Context
    from pipeline.runs.record import RunRecord

_EXAMPLE = """\
With --html: writes a page, and downloads the reports of these runs and fleet.html, the page of all sensors,
beside it. The page of all finished runs is index.html in the preds container, which is updated as runs
finish.

Example:
  python -m pipeline runs --limit 50
  python -m pipeline runs --html --open

Exit codes: 0 listed; 1 failed; 2 usage or settings error.
"""
_LONGEST_CAUSE = 100
_COLUMNS = ("RUN", "STATE", "CREATED (UTC)", "TOOK", "READINGS", "ANOMALIES", "REJECTED", "CAUSE", "WHY")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--limit", type=int, default=20, help="number of runs (default: 20; 0 for all)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the records as JSON")
    how.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        nargs="?",
        const=Path("out/index.html"),
        help="write them as an HTML page (default: out/index.html)",
    )
    parser.add_argument("--open", action="store_true", help="show the page in a browser")


def run(args: argparse.Namespace) -> int:
    """List runs."""
    from pipeline.commands.local_settings import open_context
    from pipeline.terminal.tables import show_json, show_table

    if args.open and not args.html:
        raise InvalidRequest("--open shows the page that --html writes: use both")
    if args.limit < 0:
        raise InvalidRequest(f"--limit {args.limit}: expected a number of runs, or 0 for all")
    context = open_context()
    limit = args.limit or None
    if args.html:
        return _write_page(context, context.runs.newest(limit), args)
    if args.json:
        show_json([record.to_json() for record in context.runs.newest(limit)])
        return EXIT_DONE
    rows = context.runs.newest_rows(limit)
    if not rows:
        print(NO_RUNS)
        print(_last_sweep(context))
        return EXIT_DONE
    show_table(_COLUMNS, map(_cells, rows))
    print(_last_sweep(context))
    return EXIT_DONE


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from pipeline.terminal.tables import format_seconds

    return (
        row["run"],
        row["state"],
        row["started"].replace("T", " ").removesuffix("+00:00"),
        "" if row["seconds"] is None else format_seconds(row["seconds"]),
        _count(row["readings"]),
        _count(row["anomalies"]),
        _count(row.get("rejected")),
        row["cause"][:_LONGEST_CAUSE],
        "; ".join(filter(None, (row["error"], row.get("note")))),
    )


def _last_sweep(context: "Context") -> str:
    from pipeline.runs.last import last_sweep

    return last_sweep(context.store.runs, context.settings.late_sweep).sentence(context.clock())


def _write_page(context: "Context", records: "list[RunRecord]", args: argparse.Namespace) -> int:
    import webbrowser

    from pipeline.pages.index import write_page

    write_page(context.store, records, args.html, context.settings.late_sweep)
    print(f"{counted(len(records), 'run')} -> {args.html}")
    if args.open:
        webbrowser.open(args.html.resolve().as_uri())
    return EXIT_DONE


def _count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
