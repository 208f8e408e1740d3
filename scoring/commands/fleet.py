"""`python -m scoring fleet`."""

import argparse
from datetime import datetime
from pathlib import Path

from scoring.commands.arguments import existing_file
from scoring.errors import EXIT_DONE

_EXAMPLE = """\
Writes one page with every sensor over days: what is silent, in an open episode, or has rows rejected comes
first. STATE is a JSON file, gzipped or not:
  {"version": 1, "updated": "2026-11-28T05:00:00Z", "sensors": [{"device": "1", "sensor": "3", "model": "ab…",
   "last_reading": "2026-11-28T04:59:55Z", "last_anomaly": null, "silent_since": null,
   "episodes": [{"start": …, "end": …, "readings": 12, "state": "open", "run": "blob-…"}],
   "days": [["2026-11-27", 17280, 12, 0, "blob-…"]]}]}
A day has readings, anomalies, rejected rows and the last run. Links are relative: RUN/report.html.

Example:
  python -m scoring fleet state.json.gz --to fleet.html

Exit codes: 0 done; 1 the state cannot be read; 2 usage error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("state", type=existing_file, metavar="STATE", help="the state of the fleet, as JSON")
    parser.add_argument("--to", type=Path, required=True, help="the page to write")
    parser.add_argument(
        "--now",
        type=_time,
        metavar="TIME",
        help="the last day of the page (default: that of the newest reading)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page, and print its path."""
    from scoring.report.fleet import write_fleet
    from scoring.report.fleet_state import FleetState

    print(write_fleet(FleetState.read(args.state), args.to, args.now))
    return EXIT_DONE


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-11-28T05:00:00Z") from error
