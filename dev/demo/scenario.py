"""The demo's scenario, in order."""

import argparse
import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.demo.fleet import DemoError, Fleet, Landing, Log, find_input, simulated_fleet
from dev.demo.messages import printed_messages, wait_for_messages
from dev.demo.results import Results, fetch_results, table, write_page
from dev.demo.sandbox import Sandbox, open_sandbox
from dev.demo.wait import wait_for_runs
from pipeline.pages.fleet_page import fetch_fleet_page, update_fleet_page
from pipeline.runs.landing import skipped_because
from pipeline.runs.last import last_sweep
from scoring.commands.failures import print_first


def run_demo(args: argparse.Namespace, folder: Path, mark: str, stack: contextlib.ExitStack) -> int:
    """Run the demo from nothing to predictions; returns the exit code."""
    began = time.monotonic()

    def log(line: str) -> None:
        sys.stdout.write(f"{line}\n")  # at once: messages are printed by another thread
        sys.stdout.flush()

    own = find_input(args.data, args.models, args.mapping) if args.data else None
    for problem in own.problems.values() if own else ():
        print(f"cannot be scored: {problem}", file=sys.stderr, flush=True)
    sandbox = open_sandbox(args.engine, mark, stack, {"SCORING_MAPPING": args.mapping})
    log("Azurite is running: data in memory, loopback only. Everything stops when this command ends.")
    if args.engine == "azureml":
        from dev.azureml import SUMMARY

        log(f"In place of Azure Machine Learning: {SUMMARY}.")
    make_fleet = simulated_fleet if own is None else own.fleet
    fleet = make_fleet(folder, sandbox.environment, log)
    sandbox.make_containers()
    log(f"Uploaded {sandbox.upload_models(fleet):,} models.")
    log(sandbox.publish())
    stack.enter_context(printed_messages(sandbox.context, log))

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
    if results:
        context = sandbox.context
        update_fleet_page(context.store, None)  # a worker that has just sent its messages may not have yet
        swept = last_sweep(context.store.runs, context.settings.late_sweep)
        write_page(args.out, swept, fetch_fleet_page(context.store, args.out))
        _print_results(results, args.out, log)
        log(next_step(is_own=own is not None))
    if unclaimed := keys.keys() - sandbox.claims(keys).keys():
        names = ", ".join(sorted(keys[key] for key in unclaimed))
        raise DemoError(f"no run has claimed {names}: see the host's output above")
    return print_end(results, time.monotonic() - began, log)


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
    views = wait_for_runs(sandbox.context, runs, log) if runs else []
    wait_for_messages(sandbox.context, runs)
    return [fetch_results(sandbox.context, view, out) for view in views]


def _print_results(results: Sequence[Results], out: Path, log: Log) -> None:
    """Print the results, what was not scored, and where both are."""
    for result in results:
        totals = result.totals
        log("")
        log(
            f"Run {result.run}: {totals['scored']:,} of {totals['readings']:,} readings of "
            f"{totals['sensors']:,} sensors scored, {totals['anomalies']:,} anomalies, "
            f"{totals['rejected']:,} rows rejected"
            if totals
            else f"Run {result.run} of {result.what}: {result.record.state}"
        )
        print_first("  not scored: ", result.problems, "failure")
        for line in table(result.anomalous):
            log(line)
        log(f"  Predictions, summary and report: {result.folder}/report.html")
    log("")
    log(f"Reports:      open {out / 'index.html'}, which lists the runs")
    if some := next((file for result in results for file in sorted(result.folder.glob("preds_*.csv"))), None):
        log(f"Predictions:  import pandas as pd; pd.read_csv({str(some)!r})")


def next_step(*, is_own: bool) -> str:
    """What to do after the run; `is_own` if it has scored the user's own readings."""
    start = "Next:         make start   keeps the app running"
    return start if is_own else f"{start};   make run DATA=... MODELS=...   scores your own readings"


def print_end(results: Sequence[Results], seconds: float, log: Log) -> int:
    """Print whether everything was scored; returns the exit code."""
    if not results:
        raise DemoError("no run was submitted")
    complete = all(result.is_complete for result in results)
    if complete and not any(result.totals.get("readings") for result in results):
        log(f"There were no readings to score, in {seconds:.0f} s.")
    else:
        log(f"{'Everything was' if complete else 'Not everything was'} scored, in {seconds:.0f} s.")
    return 0 if complete else 1
