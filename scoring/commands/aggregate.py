"""`python -m scoring aggregate`."""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from scoring.commands.arguments import add_data, duration
from scoring.commands.mapping import add_mapping, mappings_of
from scoring.errors import EXIT_DONE, EXIT_FAILED, UsageError
from scoring.printable import printable

_EXAMPLE = """\
Reads raw readings (columns TS,Device,Sensor,Value; a file or all files of a folder) and writes one reading
per sensor and window: the mean of its values. Windows are aligned to 1970-01-01 00:00:00 UTC, and a mean has
the time at which its window ends: the 5-second mean of 23:00:05 covers the readings after 23:00:00 up to and
including 23:00:05. Windows without readings are left out. Rows can come in any order; the result is sorted by
TS, Device and Sensor. Another order of rows can change the last digits of a mean. Memory grows with the
number of means, not of rows.

Example: raw readings twice a second, then their 5-second means
  python -m scoring simulate --interval 500ms --readings 7200 --out raw.csv
  python -m scoring aggregate --data raw.csv --window 5s --out readings.csv

Exit codes: 0 done, even where rows were rejected: they are counted, and listed by --rejects; 1 a file cannot
be read or written; 2 usage error; 75 failed for a temporary reason, such as a full disk.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_data(parser)
    add_mapping(parser)
    parser.add_argument(
        "--window", type=duration, required=True, help="length of a window: 500ms, 5s, 1m, 1h, 1d, ..."
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="file to write: its name ends in .csv, .csv.gz or .parquet"
    )
    parser.add_argument("--rejects", type=Path, help="file for the rejected rows, with the reason")
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")


def run(args: argparse.Namespace) -> int:
    """Aggregate, and print the totals."""
    from scoring.commands.all_readings import AllReadings
    from scoring.csv_quoting import needs_quotes
    from scoring.readings.rows import NO_REJECTS, for_csv
    from scoring.tools.aggregate import WindowMeans
    from scoring.tools.tables import READINGS_SCHEMA, table_writer

    _check(args)
    means = WindowMeans(args.window)
    with ExitStack() as stack:
        write_rejects = None
        if args.rejects:
            write = stack.enter_context(table_writer(args.rejects, NO_REJECTS.schema, quotes=True))
            as_is = args.rejects.name.endswith(".parquet")
            write_rejects = write if as_is else lambda rejects: write(for_csv(rejects))
        readings = AllReadings(args.data, mappings_of(args), write_rejects)
        for batch in readings.batches("reading"):
            means.add(batch)
        quotes = needs_quotes(text for key in means.keys for text in (key.device, key.sensor))
        write = stack.enter_context(table_writer(args.out, READINGS_SCHEMA, quotes=quotes))
        for rows in means.batches():
            write(rows)
    readings.report_rejects("" if args.rejects else "; --rejects FILE lists them all")
    sensors = len(means.keys)
    totals = {
        "readings": readings.readings,
        "rejected": readings.rejected,
        "sensors": sensors,
        "means": means.written,
        "too_large": means.too_large,
    }
    line = f"{means.written:,} means of {readings.readings:,} readings of {sensors:,} sensors -> {args.out}"
    print(json.dumps(totals) if args.json else line)
    if means.too_large:
        message = f"error: {means.too_large:,} windows left out: the sum of their values is too large"
        print(printable(message), file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def _check(args: argparse.Namespace) -> None:
    from scoring.tools.tables import check_output

    outputs = {"--out": args.out} | ({"--rejects": args.rejects} if args.rejects else {})
    data = args.data.resolve()
    for option, path in outputs.items():
        check_output(path, option)
        if path.resolve() == data or (data.is_dir() and path.resolve().is_relative_to(data)):
            raise UsageError(f"{option} {path} lies in --data {args.data}: it would be read as input")
    if args.rejects and args.rejects.resolve() == args.out.resolve():
        raise UsageError("--out and --rejects are the same file: give two names")
