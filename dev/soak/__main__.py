"""Command line: `python -m dev.soak`."""

import argparse
import contextlib
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from dev.demo.leftovers import end_marked
from dev.soak.check import Findings, check
from dev.soak.load import Load, Plan
from dev.soak.repeat import Repeater
from dev.soak.scene import MODEL_VERSIONS, set_scene
from dev.soak.steady import growth
from dev.soak.trouble import Hosts, Weather
from pipeline.flow.context import Context
from pipeline.flow.submit import to_landing
from pipeline.runs.landing import skipped_because

_LONGEST_SETTLING = 900.0


def main() -> int:
    """Let readings land while storage fails and processes die; prove in the end that nothing was lost."""
    args = _parser().parse_args()
    plan = Plan(args.seconds, args.rate, args.bursts, args.burst)
    with contextlib.ExitStack() as stack:
        mark = secrets.token_hex(8)
        stack.callback(end_marked, mark)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        findings = soak(plan, args.seed, mark, folder, stack)
    for violation in findings.violations:
        print(f"VIOLATION  {violation}", file=sys.stderr)
    print(f"{len(findings.violations):,} violations" if findings.violations else "Nothing was lost.")
    return 1 if findings.violations else 0


def soak(plan: Plan, seed: int, mark: str, folder: Path, stack: contextlib.ExitStack) -> Findings:
    """Everything from an empty storage account to the checker's findings; figures are printed on the way."""
    weather = Weather(seed)
    scene = set_scene(weather, seed, mark, folder, stack)
    with Hosts(scene.stage, mark, seed) as hosts:

        def tell(name: str) -> bool:
            return hosts.call("score_on_blob", f'{{"input": "data/{name}"}}')

        load = Load(scene.service.get_container_client("data"), tell, seed)
        with Repeater(hosts.sample, 1.0, seed):
            with (
                Repeater(scene.models.replace_one, 10.0, seed),
                Repeater(hosts.kill_worker, 20.0, seed),
                Repeater(hosts.kill, max(30.0, plan.seconds / 5), seed),
            ):
                load.run(plan)
            weather.calm = True
            print(
                f"Load and trouble are over after {plan.seconds:g} s; waiting until all is quiet ...",
                flush=True,
            )
            settled = _settle(scene.stage.context, time.monotonic())
    findings = check(scene.service, MODEL_VERSIONS)
    if settled is None:
        findings.say("not quiet", [f"after {_LONGEST_SETTLING:g} s"])
    findings.say("host grows", growth(hosts.samples))
    _tell("Load", load.done)
    _tell(
        "Trouble",
        {**{f"storage: {fault}": count for fault, count in scene.proxy.done.items()}, **hosts.killed},
    )
    _tell("Requests to storage", {"in all": scene.proxy.seen})
    _tell("In the end", findings.figures)
    _tell_times(findings, settled)
    return findings


def _settle(context: Context, began: float) -> float | None:
    """Wait until no run is open and no landing without a run; how many seconds that took."""
    while (took := time.monotonic() - began) < _LONGEST_SETTLING:
        if not context.runs.open() and not _unclaimed(context):
            return took
        time.sleep(5)
    return None


def _unclaimed(context: Context) -> int:
    """How many landings are there that no run has."""
    blobs = context.store.data.list()
    landings = [to_landing(blob) for blob in blobs if not skipped_because(blob.name, blob.size)]
    return len(context.runs.unclaimed(landings))


def _tell(what: str, figures: Mapping[str, int]) -> None:
    told = ", ".join(f"{count:,} {name}" for name, count in figures.items())
    print(f"{what}: {told}", flush=True)


def _tell_times(findings: Findings, settled: float | None) -> None:
    if settled is not None:
        print(f"All was quiet {settled:.0f} s after load and trouble ended.")
    if found := sorted(findings.latencies):
        worst, ninety_fifth = found[-1], found[int(0.95 * (len(found) - 1))]
        print(
            f"From landing to predictions: {statistics.median(found):.0f} s in the middle, "
            f"{ninety_fifth:.0f} s at the 95th percentile, {worst:.0f} s at worst."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.soak", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of load and trouble (%(default)g)")
    parser.add_argument("--rate", type=float, default=20, help="landings a second (%(default)g)")
    parser.add_argument("--bursts", type=int, default=3, help="how many (%(default)s)")
    parser.add_argument("--burst", type=int, default=2000, help="landings at once in a burst (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance but the machine's (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
