"""The checker: what the containers hold when all is quiet, and what of it does not add up.

It reads blobs and nothing else, and uses none of the code that it checks. What must hold:

- every run is over: no record that is not final, no marker;
- every claim names a run that has a record, and that has this landing in its manifest;
- a blob that is there was claimed, and its readings are predicted by one run, each once, with its value;
  its bad rows are rejected by that run, each once; a blob that cannot be read is told of as such;
- a blob that is gone or replaced was predicted as a whole by one run, or not at all;
- every prediction is scikit-learn's answer for the model that the summary names.
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
_LOOKED_AT = frozenset({"read", "superseded", "vanished", "unreadable", "refused"})
_SHOWN = 20


@dataclass(slots=True)
class Findings:
    """What was found: figures, and what does not add up."""

    violations: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    """Seconds from landing to `_SUCCESS`, of landings that are there and were scored."""

    def say(self, kind: str, cases: Iterable[str]) -> None:
        """Note what does not add up: the first cases by name."""
        found = list(cases)
        self.violations += [f"{kind}: {case}" for case in found[:_SHOWN]]
        if len(found) > _SHOWN:
            self.violations.append(f"{kind}: and {len(found) - _SHOWN:,} more")


def check(service: "BlobServiceClient", versions: str) -> Findings:
    """Read everything and compare; `versions` is the container that has each model under its SHA-256."""
    blobs, skipped = read_blobs(service.get_container_client("data"))
    state = service.get_container_client("runs")
    names = [blob.name for blob in state.list_blobs()]
    runs = read_runs(service, names)
    claims = read_claims(state, names)
    findings = Findings()
    _all_is_over(findings, runs, names)
    _claims_hold(findings, claims, runs, skipped)
    predicted = _scored_once(findings, runs)
    _present_landings(findings, blobs, claims, runs, predicted)
    findings.say("wrong answer", wrong_answers(service.get_container_client(versions), runs.values()))
    states = Counter(str(run.record["state"]) for run in runs.values())
    findings.figures = {
        "landings there in the end": len(blobs),
        "claims": len(claims),
        "readings predicted": sum(len(run.predictions) for run in runs.values()),
        "rows rejected": sum(len(run.rejects) for run in runs.values()),
        **{f"runs {how}": count for how, count in states.most_common()},
    }
    return findings


def _all_is_over(findings: Findings, runs: Mapping[str, Run], names: Sequence[str]) -> None:
    findings.say("marker left", (name for name in names if name.startswith("open/")))
    findings.say(
        "run not over",
        (f"{run.name} is {run.record['state']}" for run in runs.values() if run.record["state"] not in FINAL),
    )


def _claims_hold(
    findings: Findings, claims: Mapping[str, str], runs: Mapping[str, Run], skipped: Mapping[str, str]
) -> None:
    findings.say("claim without a run", (f"{key} of {run}" for key, run in claims.items() if run not in runs))
    findings.say(
        "claim that its run knows nothing of",
        (f"{key} of {run}" for key, run in claims.items() if run in runs and key not in runs[run].manifest),
    )
    findings.say("claim on what is no landing", (name for key, name in skipped.items() if key in claims))


def _scored_once(findings: Findings, runs: Mapping[str, Run]) -> dict[tuple[int, int], str]:
    """The run that predicted each version of each landing; each is whole and from one run."""
    where: dict[tuple[int, int], str] = {}
    for run in runs.values():
        rows: defaultdict[tuple[int, int], list[Row]] = defaultdict(list)
        for row, _label, _score in run.predictions:
            rows[parse_stamp(row.ts)].append(row)
        for identity, found in rows.items():
            if identity in where:
                findings.say("scored twice", [f"{identity} by {where[identity]} and {run.name}"])
            where[identity] = run.name
            if len(found) != len(set(found)):
                findings.say("reading predicted twice", [f"of {identity} by {run.name}"])
            if len(set(found)) != ROWS * len(SENSORS):
                findings.say("scored in part", [f"{len(set(found))} readings of {identity} by {run.name}"])
        if run.finished:
            _told_of(findings, run, Counter(number for number, _version in rows))
    return where


def _told_of(findings: Findings, run: Run, scored: Mapping[int, int]) -> None:
    """The summary tells of each landing of the manifest; what it says was read is what was scored."""
    statuses, rejected = run.statuses, Counter(name for name, _line in run.rejects)
    for name in run.manifest.values():
        (kind, number), status = parse_name(name), statuses.get(name, "not mentioned")
        if status not in _LOOKED_AT:
            findings.say("landing not told of", [f"{name} in {run.name} is {status}"])
        read = status == "read"
        if read and not kind.readable:
            findings.say("scored what cannot be read", [f"{name} by {run.name}"])
        if scored.get(number, 0) != int(read):
            findings.say("not predicted", [f"{name}, which {run.name} says is {status}"])
        if rejected[name] != (kind.rejected if read else 0):
            findings.say("rejected rows", [f"{rejected[name]} of {name} in {run.name}"])


def _present_landings(
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
            findings.say("never scored", [f"{blob.name} has no claim"])
        elif not blob.kind.readable:
            if (found := run.statuses.get(blob.name)) not in {"unreadable", "refused"}:
                findings.say("unreadable and not told of", [f"{blob.name} in {run.name} is {found}"])
        elif run.finished is None or predicted.get(parse_stamp(blob.rows[0].ts)) != run.name:
            why = run.record["error"] or "no reason given"
            findings.say("never scored", [f"{blob.name}: {run.name} is {run.record['state']}: {why}"])
        else:
            findings.latencies.append((run.finished - blob.landed).total_seconds())
            told = values[run.name]
            for row in blob.rows:
                if (found := told.get((row.device, row.sensor, row.ts))) != row.value:
                    findings.say("another value", [f"{found} for {row} of {blob.name} in {run.name}"])
            if sorted(line for name, line in run.rejects if name == blob.name) != list(blob.bad):
                findings.say("rejected lines", [f"of {blob.name} in {run.name}, expected {blob.bad}"])
