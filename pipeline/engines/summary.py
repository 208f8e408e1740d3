"""Reads the summary of a run: its final state, its reason in one line, its counts, and what was lost.

A sensor is `missing` where it has readings and a model, and no step left a result for it. If the published
pipeline has a step for it, that step was lost, and another try can score it. If not, the model is newer than
the pipeline, and only publishing helps.
"""

from collections.abc import Collection, Iterator, Sequence

from pipeline.runs.landing import Manifest
from pipeline.runs.record import RunState, RunStatus
from pipeline.runs.summary import LandingRow, SensorRow, Summary, read_summary
from scoring import SensorKey
from scoring.formats import (
    GONE,
    NOT_READ,
    NOT_SCORED,
    REJECTS_CSV,
    LandingStatus,
    SensorStatus,
)

_SHOWN = 3


def mismatch(summary: Summary, manifest: Manifest, where: str) -> str | None:
    """Why a summary, found at `where`, cannot be that of the run of `manifest`; None if it can."""
    if summary.run != manifest.run:
        return f"{where} is the summary of another run"
    if {landing.name for landing in summary.landings} != {landing.name for landing in manifest.landings}:
        return f"{where} does not have the landings of the run's manifest"
    scored = sum(row.readings for row in summary.sensors if row.status is SensorStatus.SCORED)
    anomalies = sum(row.anomalies for row in summary.sensors)
    if scored != summary.totals["scored"] or anomalies != summary.totals.get("anomalies", anomalies):
        return f"{where} has totals that are not those of its sensors"
    return None


def read_status(data: bytes, where: str, steps: Collection[str]) -> RunStatus:
    """How a run ended, by its summary; `steps` are the names of the steps of its published pipeline.

    Raises:
        RunDocumentError: it is not a summary.
    """
    found = read_summary(data, where)
    state, error = _outcome(found)
    missing = tuple(_lost(found.sensors, steps))
    return RunStatus(
        state=state,
        error=error,
        retry=bool(missing),
        missing=missing,
        note=_gone(found.landings),
        counts=found.totals,
    )


def _outcome(summary: Summary) -> tuple[RunState, str | None]:
    """State and reason, as the summary says; computed here for an older summary without them.

    A landing that was replaced or deleted in the meantime is not a failure, nor is a model without readings.
    """
    if summary.state is not None:
        return summary.state, summary.reasons[0] if summary.reasons else None
    problems = list(_problems(summary))
    if not problems:
        return RunState.SUCCEEDED, None
    return RunState.PARTLY if summary.totals["scored"] else RunState.FAILED, _first(problems)


def _problems(summary: Summary) -> Iterator[str]:
    for landing in summary.landings:
        if landing.status in NOT_READ:
            yield f"{landing.name} is {landing.status}: {landing.reason}"
    for sensor in summary.sensors:
        if sensor.status in NOT_SCORED:
            why = f": {sensor.reason}" if sensor.reason else ""
            yield f"sensor {sensor.device}/{sensor.sensor} {_WORDS[sensor.status]}{why}"
    if summary.totals["rejected"] and not summary.totals["readings"]:
        yield f"all {summary.totals['rejected']:,} rows were rejected: see {REJECTS_CSV}"


def _lost(sensors: Sequence[SensorRow], steps: Collection[str]) -> Iterator[str]:
    """Encoded keys of the missing sensors that the pipeline has a step for."""
    missing = [SensorKey(row.device, row.sensor) for row in sensors if row.status is SensorStatus.MISSING]
    if missing:
        from pipeline.published.build import scores_shard, step_name

        has_shards = any(map(scores_shard, steps))
        yield from (key.encoded for key in missing if has_shards or step_name(key) in steps)


def _gone(landings: Sequence[LandingRow]) -> str | None:
    gone = [f"{each.name} was {_GONE_WORDS[each.status]}" for each in landings if each.status in GONE]
    return _first(gone) if gone else None


def _first(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


_WORDS = {
    SensorStatus.FAILED: "failed",
    SensorStatus.MISSING: "is missing",
    SensorStatus.NO_MODEL: "has no model",
}

_GONE_WORDS = {
    LandingStatus.VANISHED: "deleted before it was read",
    LandingStatus.SUPERSEDED: "replaced before it was read",
}
