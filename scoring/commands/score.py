"""`python -m scoring score`."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.commands.arguments import add_data, number, plain_text
from scoring.commands.failures import landing_lines, print_errors, report_step
from scoring.commands.limits import add_limits, limits_of
from scoring.commands.mapping import add_mapping, mappings_of
from scoring.commands.outcome import add_rules, report_outcome, rules_of
from scoring.errors import EXIT_DONE, ReadingsError, UsageError
from scoring.formats import GAP_INTERVALS, NOT_SCORED, SensorStatus
from scoring.keys import InvalidKey, SensorKey
from scoring.printable import printable

if TYPE_CHECKING:
    from scoring.collect.summary import Rules
    from scoring.models.store import ModelStore
    from scoring.readings.files import FoundLanding, Source
    from scoring.step.selection import Selection

_EXAMPLE = """\
Without --key or --shard, everything is scored and summed up: preds_*.csv, rejects.csv, summary.json,
summary.csv, episodes.csv, days.csv, report.html, boundaries.json and, last, _SUCCESS. A step of a pipeline
scores its part only; `collect` sums up later.
Earlier results in the folder stay until the new ones are complete, and where nothing was scored; then all of
them are replaced, also predictions of sensors that have none now. A step removes _SUCCESS and the predictions
of its own sensors only. A file that is not a file of readings, as its header shows, is reported before
anything is scored.

Example:
  python -m scoring score --data readings.csv --models models --out out

Exit codes: 0 all scored; 1 a sensor that has readings was not scored, a file could not be read, or more of
its rows were rejected than --max-rejected; the rest is scored, and trying again does not help; 2 usage error;
75 failed for a temporary reason. With --key or --shard, rejected rows and --expected do not count: they are
counted by `collect`.
"""

_GAP = 0.001, 100_000_000
"""Shortest and longest gap of an episode in seconds; the longest is three years."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_data(parser)
    parser.add_argument("--models", type=Path, required=True, help="folder of model_{device}_{sensor}.skops")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the predictions, created if missing"
    )
    parser.add_argument("--manifest", type=Path, help="JSON list of the landings in --data to score")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--key", help="score one sensor, by its encoded key, such as 1_3")
    which.add_argument("--shard", help="score shard i of n, counted from 0, such as 0/10")
    parser.add_argument("--run", type=plain_text, help="the run's name, for the summary")
    parser.add_argument(
        "--episode-gap",
        type=number("from 0.001 to 100,000,000, such as 30", lambda seconds: _GAP[0] <= seconds <= _GAP[1]),
        metavar="SECONDS",
        help="anomalies up to this number of seconds apart are one episode "
        f"(default: {GAP_INTERVALS} times the sensor's usual interval)",
    )
    add_mapping(parser)
    add_limits(parser)
    add_rules(parser)
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")


def run(args: argparse.Namespace) -> int:
    """Score, and print the totals."""
    # Before numpy is imported: batches are scored in parallel already, and threads below them only spin.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from scoring.models.store import ModelStore
    from scoring.readings.files import find_sources
    from scoring.readings.manifest import RunManifest
    from scoring.step.leftovers import begin, remove_old_predictions
    from scoring.step.predictions import predictions_of_step
    from scoring.step.score import ModelCache, score
    from scoring.step.selection import Everything, OneSensor, narrow
    from scoring.step.sensor_limit import SensorLimit

    selection = _selection(args)
    if args.data.is_dir() and args.out.resolve().is_relative_to(args.data.resolve()):
        raise UsageError(
            f"--out {args.out} lies in --data {args.data}: predictions would be read as readings"
        )
    if args.out.resolve() == args.models.resolve():
        raise UsageError(f"--out {args.out} is the folder of models, too: give another")
    manifest = RunManifest.read(args.manifest) if args.manifest else None
    if manifest and manifest.listed is not None:
        if isinstance(selection, Everything):
            raise UsageError(f"{args.manifest} lists sensors, for steps of a pipeline: use --key or --shard")
        narrowed = narrow(selection, manifest.listed)
        if narrowed is None:
            return _nothing_to_score(args, selection)
        selection = narrowed
    sources, not_read = find_sources(args.data, manifest, limits_of(args), mappings_of(args))
    packed = manifest.packed if manifest else None
    store = ModelStore(args.models, use_pack=not args.key, packed=packed)
    _warn(store.notice)
    if isinstance(selection, Everything):
        if not sources and not not_read and not manifest:
            raise ReadingsError(f"--data {args.data}: there is no file in this folder")
        return _score_everything(args, sources, not_read, store, rules_of(args, manifest))
    begin(args.out, selection)
    if isinstance(selection, OneSensor):
        limit = SensorLimit({selection.key}, most=0)
    else:
        limit = SensorLimit(store.keys())
    with predictions_of_step(args.out, selection.step) as files:
        outcome = score(sources, ModelCache(store), selection, files, limit=limit, gap=args.episode_gap)
    _warn(store.last_notice)
    remove_old_predictions(args.out, selection, files.written)
    outcome.landings.extend(not_read)
    outcome.write(args.out)
    if isinstance(selection, OneSensor) and not files.written:
        _warn(_unknown(selection.key, store))
    totals: dict[str, object] = {
        "step": outcome.step,
        "readings": sum(sensor.readings for sensor in outcome.sensors),
        "anomalies": sum(sensor.anomalies for sensor in outcome.sensors),
    }
    found = f"{totals['readings']:,} readings, {totals['anomalies']:,} anomalies"
    line = f"{outcome.step}: {found if totals['readings'] else 'no readings'} -> {args.out}"
    print(json.dumps(totals) if args.json else line)
    # A shard can have sensors without a model; for one sensor that was named, the model is expected.
    failures = NOT_SCORED - {SensorStatus.NO_MODEL} if args.shard else NOT_SCORED
    failed = {str(sensor.key): sensor.reason for sensor in outcome.sensors if sensor.status in failures}
    return report_step(failed, outcome.landings)


def _nothing_to_score(args: argparse.Namespace, selection: "Selection") -> int:
    """Report a step that has no sensor to score: an earlier try of the run has scored them."""
    totals = {"step": selection.step, "readings": 0, "anomalies": 0}
    line = f"{selection.step}: nothing to score, the manifest does not list its sensors"
    print(json.dumps(totals) if args.json else line)
    return EXIT_DONE


def _unknown(key: SensorKey, store: "ModelStore") -> str | None:
    """A warning if a sensor has neither a model nor readings: its key can be misspelt."""
    from difflib import get_close_matches

    models = sorted(each.encoded for each in store.keys())  # noqa: SIM118 - a store is not a dictionary
    if key.encoded in models:
        return None
    near = get_close_matches(key.encoded, models, 5, 0) or ["none"]
    names = ", ".join(near)
    return f"--key {key.encoded}: there are no readings and no model of it; models, nearest first: {names}"


def _warn(notice: str | None) -> None:
    if notice:
        print(printable(notice), file=sys.stderr)


def _score_everything(
    args: argparse.Namespace,
    sources: "list[Source]",
    not_read: "list[FoundLanding]",
    store: "ModelStore",
    rules: "Rules",
) -> int:
    from scoring.collect.whole_run import score_everything

    store.require_models()
    for line in store.notes():
        print(printable(line), file=sys.stderr)
    reported: set[str] = set()

    def report(unreadable: "list[FoundLanding]") -> None:
        reported.update(found.name for found in unreadable)
        print_errors(landing_lines(unreadable))

    summary, replaced = score_everything(
        sources,
        not_read,
        store,
        args.out,
        run=args.run,
        rules=rules,
        gap=args.episode_gap,
        report_unreadable=report,
        results_of=lambda _, summary: summary,
    )
    _warn(store.last_notice)
    code = report_outcome(summary, args.out if replaced else None, as_json=args.json, reported=reported)
    if not replaced:
        _warn(f"{args.out} keeps its earlier results: give another --out for the report of this run")
    return code


def _selection(args: argparse.Namespace) -> "Selection":
    from scoring.shards import Shard
    from scoring.step.selection import Everything, OneSensor

    try:
        if args.key is not None:
            return OneSensor(SensorKey.from_encoded(args.key))
    except InvalidKey as error:
        raise UsageError(str(error)) from error
    if args.shard is not None:
        return Shard.from_text(args.shard)
    return Everything()
