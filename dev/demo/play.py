"""The play itself, in order."""

import argparse
import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.demo.fleet import DemoError, Fleet, Landing, Say, given, simulated_fleet
from dev.demo.results import Results, fetch_results, table
from dev.demo.stage import Stage, set_stage
from dev.demo.watch import watch
from pipeline.flow.context import Context
from pipeline.flow.status import look
from pipeline.pages.index import write_page
from pipeline.pages.run_scoring import write_report
from pipeline.runs.landing import skipped_because
from pipeline.runs.record import RunState
from scoring.formats import INDEX_HTML


def play(args: argparse.Namespace, folder: Path, mark: str, stack: contextlib.ExitStack) -> int:
    """From nothing to predictions; returns the exit code."""
    began = time.monotonic()

    def say(line: str) -> None:
        print(line, flush=True)

    own = given(args.data, args.models) if args.data else None
    stage = set_stage(args.engine, mark, stack, {"TMPDIR": str(folder)})
    say("Azurite is up: data in memory, everything on loopback, and all of it ends with this.")
    if args.engine == "azureml":
        from dev.azureml import SUMMARY

        say(f"In place of Azure Machine Learning: {SUMMARY}.")
    make = simulated_fleet if own is None else own.fleet
    fleet = make(folder, stage.environment, say)
    stage.make_containers()
    say(f"Uploaded {stage.upload_models(fleet):,} models.")
    say(stage.publish())

    told, withheld = parts(fleet, say)
    keys: dict[str, str] = {}
    for landing in withheld:
        keys[stage.withhold(landing)] = landing.name
        say(f"Uploaded {landing.name} with the host's receipt for it planted: as if its event was lost.")
    host = stack.enter_context(stage.start_host(say))
    host.wait_until_started()
    for landing in told:
        keys[stage.land(landing)] = landing.name
        say(f"Dropped {landing.name} into container '{stage.context.store.data.name}'.")
    host.wait_for(r"Executed 'Functions\.score_on_blob'", count=len(told))
    results = _see_through(stage, set(), keys, args.out, say)

    say("Running the timer's function out of turn: it sweeps up what no run has.")
    host.call("score_on_timer")
    results += _see_through(stage, {result.run for result in results}, keys, args.out, say)
    host.stop()
    if left := keys.keys() - stage.claims(keys).keys():
        raise DemoError(
            f"no run has taken {', '.join(sorted(keys[key] for key in left))}: look at the host's lines"
        )
    page, late_sweep = args.out / INDEX_HTML, stage.context.settings.late_sweep
    write_page(stage.context.store, stage.context.runs.newest(), page, late_sweep)
    return _end(results, args.out, time.monotonic() - began, say)


def parts(fleet: Fleet, say: Say) -> tuple[list[Landing], list[Landing]]:
    """What the blob trigger is told of, and what is left to the timer: the last, where there are several."""
    landings = []
    for landing in fleet.landings:
        if reason := skipped_because(landing.name, landing.file.stat().st_size):
            say(f"Left out {landing.name}: {reason}.")
        else:
            landings.append(landing)
    if not landings:
        raise DemoError("there are no readings to score: all of them were left out")
    return (landings[:-1], landings[-1:]) if len(landings) > 1 else (landings, [])


def _see_through(
    stage: Stage, known: set[str], keys: Mapping[str, str], out: Path, say: Say
) -> list[Results]:
    """Watch runs that have landings of ours and are not known yet, and fetch what they wrote."""
    runs = sorted(set(stage.claims(keys).values()) - known)
    for run in runs:
        say(f"Run {run}:")
    records = watch(stage.context, runs, say) if runs else []
    for record in records:
        if record.state not in {RunState.SUCCEEDED, RunState.PARTLY}:
            raise DemoError(f"run {record.run} ended {record.state}: {record.error or 'no reason given'}")
    return [_fetch(stage.context, record.run, out) for record in records]


def _fetch(context: Context, run: str, out: Path) -> Results:
    """Fetch what a run left, with its report as `python -m pipeline report` writes it."""
    results = fetch_results(context.store, run, out)
    view = look(context, run)
    write_report(view.record, view.steps, results.folder)
    return results


def _end(results: Sequence[Results], out: Path, seconds: float, say: Say) -> int:
    """Say what came out and how to go on; returns the exit code."""
    for result in results:
        totals = result.totals
        say("")
        say(
            f"Run {result.run}: {totals['scored']:,} of {totals['readings']:,} readings of "
            f"{totals['sensors']:,} sensors scored, {totals['anomalies']:,} anomalies, "
            f"{totals['rejected']:,} rows rejected"
        )
        for line in table(result.anomalous):
            say(line)
        say(f"  Predictions, summary and report: {result.folder}/report.html")
    if not results:
        raise DemoError("no run was submitted")
    say("")
    some = next(iter(sorted(results[0].folder.glob("preds_*.csv"))), results[0].folder / "preds_1_1.csv")
    say(f"See them:    open {out / 'index.html'}, which lists the runs and links to their reports")
    say(f"Read them:   import pandas as pd; pd.read_csv({str(some)!r})")
    say("Go on:       make start   keeps the app running;   make run DATA=... MODELS=...   takes your own")
    problems = [f"run {result.run}: {problem}" for result in results for problem in result.problems]
    for problem in problems:
        print(f"not scored: {problem}", file=sys.stderr)
    say(f"{'Everything was' if not problems else 'Not everything was'} scored, in {seconds:.0f} s.")
    return 1 if problems else 0
