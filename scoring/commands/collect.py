"""`python -m scoring collect`."""

import argparse
import hashlib
import sys
from pathlib import Path

from scoring.commands.arguments import plain_text
from scoring.commands.limits import add_limits, limits_of
from scoring.commands.mapping import add_mapping, mappings_of
from scoring.commands.outcome import add_rules, report_outcome, rules_of
from scoring.errors import EXIT_DONE, UsageError
from scoring.formats import SUMMARY_LINE
from scoring.printable import printable

_EXAMPLE = """\
Reads the data again to count every row, and the outcomes of the steps under PREDS; writes rejects.csv,
summary.json, summary.csv, episodes.csv, days.csv, report.html, boundaries.json and, last, _SUCCESS.

Example:
  python -m scoring score --data readings.csv --models models --out out --shard 0/2
  python -m scoring score --data readings.csv --models models --out out --shard 1/2
  python -m scoring collect --data readings.csv --models models --preds out

As the last step of a pipeline, with --exit-zero, it succeeds where it wrote a summary: `state` in
summary.json says whether the run succeeded, and the last line printed is the file's SHA-256.

Exit codes: 0 all scored; 1 a sensor that has readings was not scored, a file could not be read, or more of
its rows were rejected than --max-rejected (with --exit-zero: 0); 1 also where an outcome cannot be read, or
PREDS cannot be written; 2 usage error; 75 failed for a temporary reason, such as a full disk.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--data", type=Path, required=True, help="the readings that the steps scored")
    parser.add_argument("--models", type=Path, required=True, help="the folder of models that the steps used")
    parser.add_argument("--preds", type=Path, required=True, help="the folder that the steps wrote to")
    parser.add_argument("--manifest", type=Path, help="the manifest that the steps used, if any")
    parser.add_argument("--run", type=plain_text, help="the run's name, for the summary")
    add_mapping(parser)
    add_limits(parser)
    add_rules(parser)
    parser.add_argument(
        "--exit-zero", action="store_true", help="exit with 0 where the run is `partly` or `failed` too"
    )
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")


def run(args: argparse.Namespace) -> int:
    """Sum up, and print the totals."""
    from scoring.collect.finish import finish_run
    from scoring.collect.rejects import RowCounter, count_rows
    from scoring.collect.unscored_days import UnscoredDays
    from scoring.models.store import ModelStore
    from scoring.readings.files import find_sources
    from scoring.readings.manifest import RunManifest
    from scoring.step.leftovers import remove_partials
    from scoring.step.outcome import by_key, duplicate_sensors, read_outcomes
    from scoring.step.score import ModelCache
    from scoring.step.sensor_limit import SensorLimit
    from scoring.success_mark import unmark

    manifest = RunManifest.read(args.manifest) if args.manifest else None
    rules = rules_of(args, manifest)
    listed = manifest.listed if manifest else None
    sources, not_read = find_sources(args.data, manifest, limits_of(args), mappings_of(args))
    if not args.preds.is_dir():
        raise UsageError(f"--preds {args.preds} does not exist: give the folder that the steps wrote to")
    store = ModelStore(args.models, packed=manifest.packed if manifest else None)
    models, outcomes = ModelCache(store), read_outcomes(args.preds)
    if duplicates := duplicate_sensors(outcomes):
        print(printable(duplicates), file=sys.stderr)
    unmark(args.preds)
    remove_partials(args.preds)
    limit = SensorLimit(models.keys() | frozenset(rules.expected))
    with RowCounter(args.preds, limit) as counter:
        count_rows(sources, counter, UnscoredDays(models.keys(), by_key(outcomes)), listed)
    for found in not_read:
        counter.add_landing(found)
    summary = finish_run(args.preds, args.run, counter, outcomes, models, rules=rules, listed=listed)
    code = report_outcome(summary, args.preds, as_json=args.json)
    if not args.exit_zero:
        return code
    print(SUMMARY_LINE + hashlib.sha256(summary.to_bytes()).hexdigest())
    return EXIT_DONE
