"""Command line of the soak test: `python -m dev.soak`."""

import argparse
import contextlib
import secrets
import statistics
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from dev.demo.marked_processes import kill_marked, temporary_folder
from dev.soak.chaos import Hosts, StorageFaults
from dev.soak.check import Findings, check
from dev.soak.latency import PARTS
from dev.soak.leaks import growth
from dev.soak.load import Load, Plan
from dev.soak.repeater import Repeater
from dev.soak.setup import MODEL_VERSIONS, set_up
from pipeline.fleet.store import read_state
from pipeline.flow.context import Context
from pipeline.flow.submit import to_landing
from pipeline.runs.landing import skipped_because

_SETTLING_TIMEOUT = 900.0


def main() -> int:
    """Upload readings while storage fails and processes are killed, then check that nothing was lost."""
    args = _parser().parse_args()
    plan = Plan(args.seconds, args.rate, args.bursts, args.burst)
    with contextlib.ExitStack() as stack:
        mark = secrets.token_hex(8)
        stack.callback(kill_marked, mark)
        folder = Path(stack.enter_context(temporary_folder(mark)))
        findings = soak(plan, args.seed, mark, folder, stack)
    for violation in findings.violations:
        print(f"VIOLATION  {violation}", file=sys.stderr)
    print(f"{len(findings.violations):,} violations" if findings.violations else "Nothing was lost.")
    return 1 if findings.violations else 0


def soak(plan: Plan, seed: int, mark: str, folder: Path, stack: contextlib.ExitStack) -> Findings:
    """Run the whole test, from an empty storage account to the checker's findings, and print figures."""
    storage_faults = StorageFaults(seed)
    setup = set_up(storage_faults, seed, mark, folder, stack)
    with Hosts(setup.sandbox, mark, seed) as hosts:

        def notify(name: str) -> bool:
            return hosts.call("score_on_blob", f'{{"input": "data/{name}"}}')

        load = Load(setup.service.get_container_client("data"), notify, seed)
        with Repeater(hosts.sample, 1.0, seed):
            with (
                Repeater(setup.models.replace_one, 10.0, seed),
                Repeater(hosts.kill_worker, 20.0, seed),
                Repeater(hosts.kill_step, 6.0, seed),
                Repeater(hosts.kill, max(30.0, plan.seconds / 5), seed),
            ):
                load.run(plan)
            storage_faults.stopped = setup.receiver.stopped = True
            print(
                f"Load and faults stopped after {plan.seconds:g} s; waiting for all runs to finish ...",
                flush=True,
            )
            settled = _settle(setup.sandbox.context, time.monotonic())
    findings = check(setup.service, MODEL_VERSIONS, setup.receiver)
    if settled is None:
        findings.add("runs unfinished", [f"after {_SETTLING_TIMEOUT:g} s"])
    findings.add("host grows", growth(hosts.samples))
    _print_figures("Load", load.counts)
    _print_figures("Faults", {**_named("storage", setup.proxy.faults.items()), **hosts.killed})
    _print_figures("Faults of the receiver of events", setup.receiver.faults)
    _print_figures("Requests to storage", {"total": setup.proxy.requests})
    _print_figures("Final state", findings.figures)
    _print_times(findings, settled)
    return findings


def _settle(context: Context, began: float) -> float | None:
    """Wait until no run is open, no landing unclaimed, no event waits; the seconds, None after a timeout."""
    while (took := time.monotonic() - began) < _SETTLING_TIMEOUT:
        if not (context.runs.markers.all() or _unclaimed(context) or read_state(context.store.preds).outbox):
            return took
        time.sleep(5)
    return None


def _unclaimed(context: Context) -> int:
    """The number of landings that no run has claimed."""
    blobs = context.store.data.list()
    landings = [to_landing(blob) for blob in blobs if not skipped_because(blob.name, blob.size)]
    return len(context.runs.unclaimed(landings))


def _named(what: str, faults: Iterable[tuple[str, int]]) -> dict[str, int]:
    return {f"{what}: {fault}": count for fault, count in faults}


def _print_figures(title: str, figures: Mapping[str, int]) -> None:
    listed = ", ".join(f"{count:,} {name}" for name, count in figures.items())
    print(f"{title}: {listed}", flush=True)


def _print_times(findings: Findings, settled: float | None) -> None:
    if settled is not None:
        print(f"All runs finished, and all events arrived, {settled:.0f} s after load and faults stopped.")
    if found := sorted(sum(parts.values()) for parts in findings.latencies):
        worst, ninety_fifth = found[-1], found[int(0.95 * (len(found) - 1))]
        print(
            f"From landing to predictions: median {statistics.median(found):.0f} s, "
            f"95th percentile {ninety_fifth:.0f} s, maximum {worst:.0f} s."
        )
        means = {part: statistics.fmean(each[part] for each in findings.latencies) for part in PARTS}
        print("On average: " + ", ".join(f"{seconds:.1f} s {part}" for part, seconds in means.items()) + ".")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.soak", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="time of load and faults (%(default)g)")
    parser.add_argument("--rate", type=float, default=20, help="landings per second (%(default)g)")
    parser.add_argument("--bursts", type=int, default=3, help="number of bursts (%(default)s)")
    parser.add_argument("--burst", type=int, default=2000, help="landings per burst (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random generators (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
