"""`python -m pipeline runs`."""

import argparse

from pipeline.errors import EXIT_DONE

_EXAMPLE = """\
Example:
  python -m pipeline runs --limit 50

Exit codes: 0 listed; 1 failed; 2 wrong use or settings.
"""
_COLUMNS = ("RUN", "STATE", "CREATED (UTC)", "TOOK", "READINGS", "ANOMALIES", "CAUSE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--limit", type=int, default=20, help="how many (default: 20; 0 for all)")
    parser.add_argument("--json", action="store_true", help="print the records as JSON")


def run(args: argparse.Namespace) -> int:
    """List runs."""
    from pipeline.surroundings import open_context
    from pipeline.tables import show_json, show_table, told_duration, told_time

    records = open_context().runs.newest(args.limit or None)
    if args.json:
        show_json([record.to_json() for record in records])
        return EXIT_DONE
    if not records:
        print("no runs yet: upload readings, or submit some with python -m pipeline submit")
        return EXIT_DONE
    show_table(
        _COLUMNS,
        (
            (
                record.run,
                record.state.value,
                told_time(record.created),
                told_duration(record.created, record.ended),
                _count(record.counts.get("scored")),
                _count(record.counts.get("anomalies")),
                f"{record.cause.kind}: {record.cause.detail}"[:60],
            )
            for record in records
        ),
    )
    return EXIT_DONE


def _count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
