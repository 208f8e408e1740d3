"""The checker: reads the containers once all runs have finished, and reports what is inconsistent.

It reads only blobs and uses none of the code that it checks. It requires:

- every run has finished: every record is in a final state, and there are no markers;
- every claim names a run with a record, and that run's manifest holds the landing;
- every blob that exists was claimed; over the tries of the run that claimed it, in folders with `_SUCCESS`
  only, each of its readings was predicted once, with the right value, and each of its bad rows rejected once;
  an unreadable blob is reported as unreadable;
- a blob that was removed or replaced was predicted by the tries of one run only, each sensor as a whole;
- a run that lost steps was tried again;
- the fleet state has counted each prediction once, and no event waits;
- the receiver of events has each event of the fleet state; each episode was opened once and closed once after
  that, and each peak is an anomaly that was predicted;
- every prediction equals scikit-learn's for the model that the summary names.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dev.soak.answers import wrong_answers
from dev.soak.contents import Blob, Run, read_blobs, read_claims, read_runs
from dev.soak.fleet import fleet_differences, read_fleet
from dev.soak.latency import parts
from dev.soak.readings import ROWS, Row, parse_name, parse_stamp
from dev.soak.receiver import EventReceiver

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

FINAL = frozenset({"succeeded", "partly", "failed", "canceled", "empty"})
_READ = frozenset({"read", "partly-rejected", "all-rejected"})
_LANDING_STATUSES = _READ | {"superseded", "vanished", "unreadable", "refused"}
_SHOWN = 20


@dataclass(slots=True)
class Findings:
    """Figures and violations."""

    violations: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    latencies: list[dict[str, float]] = field(default_factory=list)
    """Seconds from landing to `_SUCCESS`, by part, for scored landings that still exist."""

    def add(self, kind: str, cases: Iterable[str]) -> None:
        """Record violations of one kind: the first cases by name, the rest as a count."""
        found = list(cases)
        self.violations += [f"{kind}: {case}" for case in found[:_SHOWN]]
        if len(found) > _SHOWN:
            self.violations.append(f"{kind}: and {len(found) - _SHOWN:,} more")


def check(service: "BlobServiceClient", versions: str, receiver: EventReceiver) -> Findings:
    """Read and check everything; `versions` is the container that holds each model under its SHA-256."""
    blobs, skipped = read_blobs(service.get_container_client("data"))
    state = service.get_container_client("runs")
    names = [blob.name for blob in state.list_blobs()]
    runs = read_runs(service, names)
    claims = read_claims(state, names)
    findings = Findings()
    _check_finished(findings, runs, names)
    _check_claims(findings, claims, runs, skipped)
    tries = _tries(runs)
    _check_scored_once(findings, runs, tries)
    _check_landings(findings, blobs, claims, tries)
    findings.add("wrong answer", wrong_answers(service.get_container_client(versions), runs.values()))
    fleet = read_fleet(service.get_container_client("preds"))
    findings.add("fleet state", fleet_differences(fleet, runs.values()))
    findings.add("event", receiver.violations(runs.values(), fleet))
    states = Counter(str(run.record["state"]) for run in runs.values())
    findings.figures = {
        "landings at the end": len(blobs),
        "claims": len(claims),
        "events received": len({event["id"] for event in receiver.accepted}),
        "readings predicted": sum(len(run.predictions) for run in runs.values()),
        "rows rejected": sum(len(run.rejects) for run in runs.values()),
        "further tries": sum(run.earlier is not None for run in runs.values()),
        "tries for lost steps": sum(run.is_rest for run in runs.values()),
        **{f"runs {state}": count for state, count in states.most_common()},
    }
    return findings


def _check_finished(findings: Findings, runs: Mapping[str, Run], names: Sequence[str]) -> None:
    findings.add("leftover marker", (name for name in names if name.startswith("open/")))
    findings.add(
        "run not finished",
        (f"{run.name} is {run.record['state']}" for run in runs.values() if run.record["state"] not in FINAL),
    )
    tried_again = {run.earlier for run in runs.values()}
    findings.add(
        "not tried again",
        (run.name for run in runs.values() if run.awaits_retry and run.name not in tried_again),
    )


def _check_claims(
    findings: Findings, claims: Mapping[str, str], runs: Mapping[str, Run], skipped: Mapping[str, str]
) -> None:
    findings.add("claim without a run", (f"{key} of {run}" for key, run in claims.items() if run not in runs))
    findings.add(
        "claim missing from the manifest",
        (f"{key} of {run}" for key, run in claims.items() if run in runs and key not in runs[run].manifest),
    )
    findings.add("claim on a skipped blob", (name for key, name in skipped.items() if key in claims))


def _tries(runs: Mapping[str, Run]) -> dict[str, list[Run]]:
    """All tries of each run, the first one first, by the name of each try."""
    tries: dict[str, list[Run]] = {}
    for run in runs.values():
        chain = [run]
        while (earlier := chain[0].earlier) and earlier in runs:
            chain.insert(0, runs[earlier])
        for each in chain:
            if len(chain) > len(tries.get(each.name, ())):
                tries[each.name] = chain
    return tries


def _check_scored_once(
    findings: Findings, runs: Mapping[str, Run], tries: Mapping[str, Sequence[Run]]
) -> None:
    """Each reading is predicted by one run; the tries of one run share the sensors of a landing."""
    where: dict[tuple[tuple[int, int], str, str], str] = {}
    first: dict[tuple[int, int], str] = {}
    for run in runs.values():
        rows: defaultdict[tuple[int, int], list[Row]] = defaultdict(list)
        for row, _label, _score in run.predictions:
            rows[parse_stamp(row.ts)].append(row)
        for identity, found in rows.items():
            base = tries[run.name][0].name
            if first.setdefault(identity, base) != base:
                findings.add("scored twice", [f"{identity} by {first[identity]} and {run.name}"])
            _check_rows(findings, run, identity, found)
            for sensor in {(row.device, row.sensor) for row in found}:
                if (before := where.setdefault((identity, *sensor), run.name)) != run.name:
                    findings.add("scored twice", [f"{sensor} of {identity} by {before} and {run.name}"])
        if run.finished:
            _check_summary(findings, run, Counter(number for number, _version in rows))


def _check_rows(findings: Findings, run: Run, identity: tuple[int, int], rows: Sequence[Row]) -> None:
    """A run predicts each landing for all sensors that its summary says it scored, and each reading once."""
    if len(rows) != len(set(rows)):
        findings.add("reading predicted twice", [f"of {identity} by {run.name}"])
    counts = Counter((row.device, row.sensor) for row in set(rows))
    if counts.keys() != run.scored or set(counts.values()) != {ROWS}:
        findings.add("scored in part", [f"{dict(counts)} readings of {identity} by {run.name}"])


def _check_summary(findings: Findings, run: Run, scored: Mapping[int, int]) -> None:
    """The summary must list each landing of the manifest, with status `read` exactly if it was scored."""
    statuses, rejected = run.statuses, Counter(name for name, _line in run.rejects)
    for name in run.manifest.values():
        (kind, number), status = parse_name(name), statuses.get(name, "not mentioned")
        if status not in _LANDING_STATUSES:
            findings.add("landing not in the summary", [f"{name} in {run.name} is {status}"])
        read = status in _READ
        if read and not kind.readable:
            findings.add("unreadable landing scored", [f"{name} by {run.name}"])
        if scored.get(number, 0) != int(read and bool(run.scored)):
            findings.add("predictions do not match the status", [f"{name} in {run.name} is {status}"])
        if rejected[name] != (kind.rejected if read and not run.is_rest else 0):
            findings.add("rejected rows", [f"{rejected[name]} of {name} in {run.name}"])


def _check_landings(
    findings: Findings,
    blobs: Sequence[Blob],
    claims: Mapping[str, str],
    tries: Mapping[str, Sequence[Run]],
) -> None:
    predictions = {
        found[0].name: {
            (row.device, row.sensor, row.ts): (row.value, run)
            for run in found
            for row, _label, _score in run.predictions
        }
        for found in tries.values()
    }
    for blob in blobs:
        found = tries.get(claims.get(blob.key, ""), ())
        if not found:
            findings.add("never scored", [f"{blob.name} has no claim"])
        elif not blob.kind.readable:
            statuses = {run.statuses.get(blob.name) for run in found if run.finished}
            if not statuses & {"unreadable", "refused"}:
                findings.add("unreadable landing not reported", [f"{blob.name} in {found[-1].name}"])
        else:
            _check_landing(findings, blob, found, predictions[found[0].name])


def _check_landing(
    findings: Findings,
    blob: Blob,
    tries: Sequence[Run],
    predictions: Mapping[tuple[str, str, str], tuple[str, Run]],
) -> None:
    """All readings of a landing are predicted, and its bad rows rejected, over the tries of its run."""
    found = [predictions.get((row.device, row.sensor, row.ts)) for row in blob.rows]
    if not all(found):
        last = tries[-1]
        why = f"{last.name} is {last.record['state']}: {last.record['error'] or 'no reason given'}"
        findings.add("never scored", [f"{found.count(None)} of {len(found)} readings of {blob.name}: {why}"])
        return
    for row, (value, run) in zip(blob.rows, filter(None, found), strict=True):
        if value != row.value:
            findings.add("wrong value", [f"{value} for {row} of {blob.name} in {run.name}"])
    scoring = {run.name for _value, run in filter(None, found)}
    count = max(number for number, run in enumerate(tries, 1) if run.name in scoring)
    findings.latencies.append(parts(blob, tries[:count]))
    if sorted(line for run in tries for name, line in run.rejects if name == blob.name) != list(blob.bad):
        findings.add("rejected lines", [f"of {blob.name} in {tries[-1].name}, expected {blob.bad}"])
