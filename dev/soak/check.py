"""The checker: reads the containers once all runs have finished, and reports what is inconsistent.

It reads only blobs and uses none of the code that it checks. It requires:

- every run has finished: every record is in a final state, and there are no markers;
- every claim names a run with a record, and that run's manifest holds the landing;
- every blob that exists was claimed, and one run predicted each of its readings once, with the right value;
  the same run rejected each of its bad rows once; an unreadable blob is reported as unreadable;
- a blob that was removed or replaced was predicted as a whole by one run, or not at all;
- every prediction equals scikit-learn's for the model that the summary names.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dev.soak.answers import wrong_answers
from dev.soak.contents import Blob, Run, read_blobs, read_claims, read_runs
from dev.soak.readings import ROWS, SENSORS, Row, parse_name, parse_stamp

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

FINAL = frozenset({"succeeded", "partly", "failed", "canceled", "empty"})
_LANDING_STATUSES = frozenset({"read", "superseded", "vanished", "unreadable", "refused"})
_SHOWN = 20


@dataclass(slots=True)
class Findings:
    """Figures and violations."""

    violations: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    """Seconds from landing to `_SUCCESS`, for scored landings that still exist."""

    def add(self, kind: str, cases: Iterable[str]) -> None:
        """Record violations of one kind: the first cases by name, the rest as a count."""
        found = list(cases)
        self.violations += [f"{kind}: {case}" for case in found[:_SHOWN]]
        if len(found) > _SHOWN:
            self.violations.append(f"{kind}: and {len(found) - _SHOWN:,} more")


def check(service: "BlobServiceClient", versions: str) -> Findings:
    """Read and check everything; `versions` is the container that holds each model under its SHA-256."""
    blobs, skipped = read_blobs(service.get_container_client("data"))
    state = service.get_container_client("runs")
    names = [blob.name for blob in state.list_blobs()]
    runs = read_runs(service, names)
    claims = read_claims(state, names)
    findings = Findings()
    _check_finished(findings, runs, names)
    _check_claims(findings, claims, runs, skipped)
    predicted = _check_scored_once(findings, runs)
    _check_landings(findings, blobs, claims, runs, predicted)
    findings.add("wrong answer", wrong_answers(service.get_container_client(versions), runs.values()))
    states = Counter(str(run.record["state"]) for run in runs.values())
    findings.figures = {
        "landings at the end": len(blobs),
        "claims": len(claims),
        "readings predicted": sum(len(run.predictions) for run in runs.values()),
        "rows rejected": sum(len(run.rejects) for run in runs.values()),
        **{f"runs {state}": count for state, count in states.most_common()},
    }
    return findings


def _check_finished(findings: Findings, runs: Mapping[str, Run], names: Sequence[str]) -> None:
    findings.add("leftover marker", (name for name in names if name.startswith("open/")))
    findings.add(
        "run not finished",
        (f"{run.name} is {run.record['state']}" for run in runs.values() if run.record["state"] not in FINAL),
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


def _check_scored_once(findings: Findings, runs: Mapping[str, Run]) -> dict[tuple[int, int], str]:
    """The run that predicted each version of each landing; one run must predict all of it."""
    where: dict[tuple[int, int], str] = {}
    for run in runs.values():
        rows: defaultdict[tuple[int, int], list[Row]] = defaultdict(list)
        for row, _label, _score in run.predictions:
            rows[parse_stamp(row.ts)].append(row)
        for identity, found in rows.items():
            if identity in where:
                findings.add("scored twice", [f"{identity} by {where[identity]} and {run.name}"])
            where[identity] = run.name
            if len(found) != len(set(found)):
                findings.add("reading predicted twice", [f"of {identity} by {run.name}"])
            if len(set(found)) != ROWS * len(SENSORS):
                findings.add("scored in part", [f"{len(set(found))} readings of {identity} by {run.name}"])
        if run.finished:
            _check_summary(findings, run, Counter(number for number, _version in rows))
    return where


def _check_summary(findings: Findings, run: Run, scored: Mapping[int, int]) -> None:
    """The summary must list each landing of the manifest, with status `read` exactly if it was scored."""
    statuses, rejected = run.statuses, Counter(name for name, _line in run.rejects)
    for name in run.manifest.values():
        (kind, number), status = parse_name(name), statuses.get(name, "not mentioned")
        if status not in _LANDING_STATUSES:
            findings.add("landing not in the summary", [f"{name} in {run.name} is {status}"])
        read = status == "read"
        if read and not kind.readable:
            findings.add("unreadable landing scored", [f"{name} by {run.name}"])
        if scored.get(number, 0) != int(read):
            findings.add("predictions do not match the status", [f"{name} in {run.name} is {status}"])
        if rejected[name] != (kind.rejected if read else 0):
            findings.add("rejected rows", [f"{rejected[name]} of {name} in {run.name}"])


def _check_landings(
    findings: Findings,
    blobs: Sequence[Blob],
    claims: Mapping[str, str],
    runs: Mapping[str, Run],
    predicted: Mapping[tuple[int, int], str],
) -> None:
    values = {
        name: {(row.device, row.sensor, row.ts): row.value for row, _label, _score in run.predictions}
        for name, run in runs.items()
    }
    for blob in blobs:
        run = runs.get(claims.get(blob.key, ""))
        if run is None:
            findings.add("never scored", [f"{blob.name} has no claim"])
        elif not blob.kind.readable:
            if (found := run.statuses.get(blob.name)) not in {"unreadable", "refused"}:
                findings.add("unreadable landing not reported", [f"{blob.name} in {run.name} is {found}"])
        elif run.finished is None or predicted.get(parse_stamp(blob.rows[0].ts)) != run.name:
            why = run.record["error"] or "no reason given"
            findings.add("never scored", [f"{blob.name}: {run.name} is {run.record['state']}: {why}"])
        else:
            findings.latencies.append((run.finished - blob.arrived).total_seconds())
            predicted_values = values[run.name]
            for row in blob.rows:
                if (found := predicted_values.get((row.device, row.sensor, row.ts))) != row.value:
                    findings.add("wrong value", [f"{found} for {row} of {blob.name} in {run.name}"])
            if sorted(line for name, line in run.rejects if name == blob.name) != list(blob.bad):
                findings.add("rejected lines", [f"of {blob.name} in {run.name}, expected {blob.bad}"])
