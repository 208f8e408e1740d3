"""`python -m scoring index`."""

import argparse
from pathlib import Path

from scoring.errors import EXIT_DONE

_EXAMPLE = """\
Writes the page that lists runs. ROWS is a JSON file; the page keeps the order of its runs:
  {"version": 1, "note": "The 1,000 runs that finished last.", "swept": "2026-11-23T06:00:04Z",
   "late_after_seconds": 10800, "runs": [{"run": "blob-…",
   "state": "succeeded", "cause": "2018/08/28/site-a.csv arrived", "started": "2026-11-23T05:00:02Z",
   "ended": …, "seconds": 41.5, "readings": 17768, "anomalies": 38, "sensors": 15, "unscored": 0,
   "error": null, "report": "blob-…/report.html"}]}
All fields but version, runs, run and state are optional; report is an address relative to the page, and so is
fleet, the page of the fleet. swept is when the last sweep finished; after late_after_seconds the page reports
the next one as late.

Example:
  python -m scoring index --rows rows.json --out index.html

Exit codes: 0 done; 1 the rows cannot be read; 2 usage error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--rows", type=Path, required=True, help="the runs, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="the page to write")


def run(args: argparse.Namespace) -> int:
    """Write the page, and print its path."""
    from scoring.report.index import Rows, write_index

    rows = Rows.read(args.rows)
    print(write_index(rows.runs, args.out, rows.note, rows.swept, rows.late_after_seconds, fleet=rows.fleet))
    return EXIT_DONE
