"""The demo's scenario, in order."""

import argparse
import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.demo.fleet import DemoError, Fleet, Landing, Log, find_input, simulated_fleet
from dev.demo.results import Results, fetch_results, table
from dev.demo.sandbox import Sandbox, open_sandbox
from dev.demo.wait import wait_for_runs
from pipeline.flow.context import Context
from pipeline.flow.status import look
from pipeline.pages.index import write_page
from pipeline.pages.run_scoring import write_report
from pipeline.runs.landing import skipped_because
from pipeline.runs.record import RunState
from scoring.formats import INDEX_HTML


def run_demo(args: argparse.Namespace, folder: Path, mark: str, stack: contextlib.ExitStack) -> int:
    """Run the demo from nothing to predictions; returns the exit code."""
    began = time.monotonic()

    def log(line: str) -> None:
        print(line, flush=True)

    own = find_input(args.data, args.models) if args.data else None
    sandbox = open_sandbox(args.engine, mark, stack, {"TMPDIR": str(folder)})
    log("Azurite is running: data in memory, loopback only. Everything stops when this command ends.")
    if args.engine == "azureml":
        from dev.azureml import SUMMARY

        log(f"In place of Azure Machine Learning: {SUMMARY}.")
    make_fleet = simulated_fleet if own is None else own.fleet
    fleet = make_fleet(folder, sandbox.environment, log)
    sandbox.make_containers()
    log(f"Uploaded {sandbox.upload_models(fleet):,} models.")
    log(sandbox.publish())

    with_event, without_event = split_by_trigger(fleet, log)
    keys: dict[str, str] = {}
    for landing in without_event:
        keys[sandbox.upload_without_event(landing)] = landing.name
        log(f"Uploaded {landing.name} with a receipt of the host, which simulates a lost event.")
    host = stack.enter_context(sandbox.start_host(log))
    host.wait_until_started()
    for landing in with_event:
        keys[sandbox.upload(landing)] = landing.name
        log(f"Uploaded {landing.name} to container '{sandbox.context.store.data.name}'.")
    host.wait_for(r"Executed 'Functions\.score_on_blob'", count=len(with_event))
    results = _wait_and_fetch(sandbox, set(), keys, args.out, log)

    log("Calling the timer function now: it sweeps landings that no run has claimed.")
    host.call("score_on_timer")
    results += _wait_and_fetch(sandbox, {result.run for result in results}, keys, args.out, log)
    host.stop()
    if unclaimed := keys.keys() - sandbox.claims(keys).keys():
        names = ", ".join(sorted(keys[key] for key in unclaimed))
        raise DemoError(f"no run has claimed {names}: see the host's output above")
    page, late_sweep = args.out / INDEX_HTML, sandbox.context.settings.late_sweep
    write_page(sandbox.context.store, sandbox.context.runs.newest(), page, late_sweep)
    return _print_results(results, args.out, time.monotonic() - began, log)


def split_by_trigger(fleet: Fleet, log: Log) -> tuple[list[Landing], list[Landing]]:
    """Landings for the blob trigger and for the timer; of several, the last is for the timer."""
    landings = []
    for landing in fleet.landings:
        if reason := skipped_because(landing.name, landing.file.stat().st_size):
            log(f"Skipped {landing.name}: {reason}.")
        else:
            landings.append(landing)
    if not landings:
        raise DemoError("there are no readings to score: every file was skipped")
    return (landings[:-1], landings[-1:]) if len(landings) > 1 else (landings, [])


def _wait_and_fetch(
    sandbox: Sandbox, known: set[str], keys: Mapping[str, str], out: Path, log: Log
) -> list[Results]:
    """Wait for the new runs of these landings and fetch their results."""
    runs = sorted(set(sandbox.claims(keys).values()) - known)
    for run in runs:
        log(f"Run {run}:")
    records = wait_for_runs(sandbox.context, runs, log) if runs else []
    for record in records:
        if record.state not in {RunState.SUCCEEDED, RunState.PARTLY}:
            reason = record.error or "no reason given"
            raise DemoError(f"run {record.run} has finished as {record.state}: {reason}")
    return [_fetch(sandbox.context, record.run, out) for record in records]


def _fetch(context: Context, run: str, out: Path) -> Results:
    """Fetch a run's results and write its report as `python -m pipeline report` does."""
    results = fetch_results(context.store, run, out)
    view = look(context, run)
    write_report(view.record, view.steps, results.folder)
    return results


def _print_results(results: Sequence[Results], out: Path, seconds: float, log: Log) -> int:
    """Print the results and what to do next; returns the exit code."""
    for result in results:
        totals = result.totals
        log("")
        log(
            f"Run {result.run}: {totals['scored']:,} of {totals['readings']:,} readings of "
            f"{totals['sensors']:,} sensors scored, {totals['anomalies']:,} anomalies, "
            f"{totals['rejected']:,} rows rejected"
        )
        for line in table(result.anomalous):
            log(line)
        log(f"  Predictions, summary and report: {result.folder}/report.html")
    if not results:
        raise DemoError("no run was submitted")
    log("")
    some = next(iter(sorted(results[0].folder.glob("preds_*.csv"))), results[0].folder / "preds_1_1.csv")
    log(f"Reports:      open {out / 'index.html'}, which lists the runs")
    log(f"Predictions:  import pandas as pd; pd.read_csv({str(some)!r})")
    log("Next:         make start   keeps the app running;   make run DATA=... MODELS=...   scores your own")
    problems = [f"run {result.run}: {problem}" for result in results for problem in result.problems]
    for problem in problems:
        print(f"not scored: {problem}", file=sys.stderr)
    log(f"{'Everything was' if not problems else 'Not everything was'} scored, in {seconds:.0f} s.")
    return 1 if problems else 0
