"""`python -m scoring train`."""

import argparse
import json
import os
import sys
from pathlib import Path

from scoring.commands.arguments import add_data, at_least, number
from scoring.commands.failures import print_first
from scoring.commands.mapping import add_mapping, mappings_of
from scoring.errors import EXIT_DONE, EXIT_FAILED, UsageError

_EXAMPLE = """\
Learns what is normal for each sensor (Device and Sensor) from readings (columns TS,Device,Sensor,Value; a
file or all files of a folder) and writes MODELS/model_{device}_{sensor}.skops, which `score` reads. A model
scales the values to mean 0 and variance 1 (StandardScaler) and draws a boundary around them (OneClassSVM with
an RBF kernel). Give normal readings: a model does not call what it has learnt an anomaly.

Sensors with too few readings, or whose readings are all the same, are skipped and named; an earlier model of
theirs stays. The same readings give the same models, byte for byte.

Example: learn from one simulated day
  python -m scoring simulate --interval 1m --readings 1440 --anomaly-rate 0 --out history.csv
  python -m scoring train --data history.csv --models models

Exit codes: 0 at least one model was trained; 1 none was, or a file cannot be read or written; 2 usage error;
75 failed for a temporary reason, such as a full disk.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_data(parser)
    add_mapping(parser)
    parser.add_argument(
        "--models", type=Path, required=True, help="folder for the models, created if missing"
    )
    parser.add_argument(
        "--nu",
        type=number("above 0, up to 1", lambda nu: 0 < nu <= 1),
        default=0.0001,
        help="approximate share of the readings outside the boundary (default: 0.0001)",
    )
    parser.add_argument(
        "--gamma",
        type=number("above 0", lambda gamma: gamma > 0),
        default=0.01,
        help="how closely the boundary follows the readings: higher is closer (default: 0.01)",
    )
    parser.add_argument(
        "--min-readings",
        type=at_least(2),
        default=50,
        help="skip sensors with fewer readings (default: 50)",
    )
    parser.add_argument(
        "--max-readings",
        type=at_least(2),
        default=10_000,
        help="of a sensor with more readings, learn from every 2nd, 3rd, ... (default: 10000)",
    )
    parser.add_argument(
        "--jobs", type=at_least(1), help="sensors to train at a time (default: one for each processor)"
    )
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")


def run(args: argparse.Namespace) -> int:
    """Train, name the skipped sensors, and print the totals."""
    from scoring.commands.all_readings import AllReadings
    from scoring.progress import progress
    from scoring.tools.train import Recipe, Samples, check_packages, train

    check_packages()
    if args.max_readings < args.min_readings:
        raise UsageError(f"--max-readings {args.max_readings} is below --min-readings {args.min_readings}")
    if args.models.exists() and not args.models.is_dir():
        raise UsageError(f"--models {args.models} is not a folder: choose another name")
    if args.data.exists() and not (args.data.is_file() or args.data.is_dir()):
        raise UsageError(f"--data {args.data} is read twice, and a pipe cannot be: write it to a file first")
    recipe = Recipe(args.nu, args.gamma, args.min_readings)
    readings = AllReadings(args.data, mappings_of(args))
    samples = Samples(args.max_readings)
    samples.count(readings.batches("counting"))
    samples.keep(readings.batches("reading"))
    readings.report_rejects()
    thinned = sum(count > args.max_readings for count in samples.counts.values())
    if thinned:
        print(
            f"{thinned:,} sensors have more than --max-readings {args.max_readings:,} readings: "
            "they learn from every 2nd, 3rd, ... of them",
            file=sys.stderr,
        )
    skipped: dict[str, str] = {}
    with progress("training", len(samples.counts), "sensors") as advance:
        for sensor in train(samples, recipe, args.models, args.jobs or os.process_cpu_count() or 1):
            if sensor.skipped:
                skipped[str(sensor.key)] = sensor.skipped
            advance()
    lines = [f"sensor {name}: {reason}" for name, reason in sorted(skipped.items())]
    print_first("skipped ", lines, "sensor")
    sensors = len(samples.counts)
    totals = {
        "readings": readings.readings,
        "rejected": readings.rejected,
        "sensors": sensors,
        "trained": sensors - len(skipped),
        "skipped": len(skipped),
    }
    trained, count = totals["trained"], readings.readings
    line = f"trained {trained:,} of {sensors:,} sensors, {count:,} readings -> {args.models}"
    print(json.dumps(totals) if args.json else line)
    if not totals["trained"]:
        print(f"error: {_nothing(args.data, skipped, readings.rejected)}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def _nothing(data: Path, skipped: dict[str, str], rejected: int) -> str:
    """Why no model was trained."""
    if skipped:
        name, reason = min(skipped.items())
        others = f" and {len(skipped) - 1:,} others" if len(skipped) > 1 else ""
        return f"no model was trained: sensor {name}{others} had to be skipped: {reason}"
    found = f"all of its rows ({rejected:,}) are rejected" if rejected else "it has no rows"
    return f"no model was trained: there are no readings in {data}, {found}; see --help for their format"
