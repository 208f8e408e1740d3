"""`python -m scoring simulate`."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from scoring.commands.arguments import at_least, duration, number
from scoring.errors import EXIT_DONE, UsageError

_EXAMPLE = """\
Writes a file with the columns TS,Device,Sensor,Value: devices 1, 2, 3, ... with sensors 1, 2, 3, ... that
follow a daily pattern with noise. Some readings are anomalous; --labels lists them, with the columns
TS,Device,Sensor,Kind:
  spike        one reading far off
  level-shift  consecutive readings off by the same distance
  drift        consecutive readings further and further off
  stuck        one ordinary value repeated (invisible to a detector of single values)
  dropout      consecutive rows missing: only the labels have them
The same options give the same bytes. A later --start continues the same fleet with new noise.

Example: learn from one day without anomalies, then score the next day
  python -m scoring simulate --interval 1m --readings 1440 --anomaly-rate 0 --out history.csv
  python -m scoring train --data history.csv --models models
  python -m scoring simulate --interval 1m --readings 1440 --start 2026-01-02 --out readings.csv
  python -m scoring score --data readings.csv --models models --out out

Exit codes: 0 done; 1 a file cannot be written; 2 usage error; 75 failed for a temporary reason, such as a
full disk.
"""

_MOST_SENSORS = 10_000_000
"""The profile of each is kept in memory, about a gigabyte for this many."""

_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
"""Times are nanoseconds since 1970 in 64 bits, which end in 2262."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    from scoring.tools.simulate import MAX_ANOMALY_RATE

    parser.epilog = _EXAMPLE
    parser.add_argument(
        "--out", type=Path, required=True, help="file to write: its name ends in .csv, .csv.gz or .parquet"
    )
    parser.add_argument("--labels", type=Path, help="file for the labels, of the same formats")
    parser.add_argument("--devices", type=at_least(1), default=3, help="how many devices (default: 3)")
    parser.add_argument("--sensors", type=at_least(1), default=5, help="sensors of each device (default: 5)")
    parser.add_argument(
        "--readings", type=at_least(1), default=720, help="readings of each sensor (default: 720)"
    )
    parser.add_argument(
        "--interval", type=duration, default="5s", help="between readings: 500ms, 5s, 1m, ... (default: 5s)"
    )
    parser.add_argument(
        "--start",
        type=_time,
        default="2026-01-01T00:00:00",
        help="time of the first readings, UTC where it has no offset (default: 2026-01-01T00:00:00)",
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, help="a different seed gives a different fleet (default: 0)"
    )
    parser.add_argument(
        "--anomaly-rate",
        type=number(f"from 0 to {MAX_ANOMALY_RATE}", lambda rate: 0 <= rate <= MAX_ANOMALY_RATE),
        default=0.005,
        help=f"share of anomalous readings on average, 0 to {MAX_ANOMALY_RATE} (default: 0.005)",
    )


def run(args: argparse.Namespace) -> int:
    """Simulate, and print the totals."""
    from contextlib import ExitStack

    from scoring.progress import progress
    from scoring.tools.simulate import LABELS_SCHEMA, Fleet, simulate
    from scoring.tools.tables import READINGS_SCHEMA, table_writer

    _check(args)
    fleet = Fleet(
        devices=args.devices,
        sensors=args.sensors,
        readings=args.readings,
        interval_ms=args.interval,
        start_ms=args.start,
        seed=args.seed,
        anomaly_rate=args.anomaly_rate,
    )
    readings = labels = 0
    with ExitStack() as stack:
        write_readings = stack.enter_context(table_writer(args.out, READINGS_SCHEMA))
        write_labels = stack.enter_context(table_writer(args.labels, LABELS_SCHEMA)) if args.labels else None
        advance = stack.enter_context(progress("simulating", fleet.rows, "readings"))
        for chunk in simulate(fleet):
            write_readings(chunk.readings)
            if write_labels:
                write_labels(chunk.labels)
            readings += chunk.readings.num_rows
            labels += chunk.labels.num_rows
            advance(chunk.rows)
    print(f"{readings:,} readings of {fleet.series:,} sensors, {labels:,} labelled anomalous -> {args.out}")
    return EXIT_DONE


def _check(args: argparse.Namespace) -> None:
    from scoring.tools.tables import check_output

    if args.devices * args.sensors > _MOST_SENSORS:
        raise UsageError(f"--devices times --sensors is more than {_MOST_SENSORS:,}: lower one of them")
    if args.start + args.readings * args.interval > _milliseconds(_END):
        raise UsageError("the readings would end after the year 2261: lower --readings or --interval")
    check_output(args.out, "--out")
    if args.labels:
        check_output(args.labels, "--labels")
        if args.labels.resolve() == args.out.resolve():
            raise UsageError("--out and --labels are the same file: give two names")


def _time(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: give one such as 2026-01-01T00:00:00"
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    if not _FIRST <= time < _END:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: give a time from 1970 to 2261")
    return _milliseconds(time)


def _milliseconds(time: datetime) -> int:
    return round((time - _FIRST).total_seconds() * 1000)
