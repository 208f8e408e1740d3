"""What a run's summary says of the run: its final state, its counts, and its error in one line."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.json_documents import read_document
from pipeline.runs.record import RunState, RunStatus
from scoring.formats import NOT_READ, NOT_SCORED, REJECTS_CSV, SUMMARY_VERSION, LandingStatus, SensorStatus

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Sensor:
    device: str
    sensor: str
    status: SensorStatus
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Landing:
    name: str
    status: LandingStatus
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Summary:
    """summary.json, as far as it is read."""

    totals: dict[str, int]
    sensors: tuple[_Sensor, ...]
    landings: tuple[_Landing, ...]

    def __post_init__(self) -> None:
        if missing := {"readings", "rejected", "scored"} - self.totals.keys():
            raise ValueError(f"its totals have no {min(missing)}")


def read_summary(data: bytes, where: str) -> RunStatus:
    """How a run ended, by its summary: partly succeeded if a sensor was not scored, failed if none was.

    A landing that was replaced or removed meanwhile is no failure, nor is a model without readings.

    Raises:
        RunDocumentError: it is not a summary.
    """
    found = read_document(
        data,
        _Summary,
        version=SUMMARY_VERSION,
        where=where,
        what="a summary",
        hint="see the log of collect",
    )
    counts, problems = found.totals, list(_problems(found))
    if not problems:
        return RunStatus(state=RunState.SUCCEEDED, counts=counts)
    more = f"; and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    line = "; ".join(problems[:_SHOWN]) + more
    state = RunState.PARTLY if counts["scored"] else RunState.FAILED
    return RunStatus(state=state, error=line, counts=counts)


def _problems(summary: _Summary) -> Iterator[str]:
    for landing in summary.landings:
        if landing.status in NOT_READ:
            yield f"{landing.name} is {landing.status}: {landing.reason}"
    for sensor in summary.sensors:
        if sensor.status in NOT_SCORED:
            why = f": {sensor.reason}" if sensor.reason else ""
            yield f"sensor {sensor.device}/{sensor.sensor} {_WORDS[sensor.status]}{why}"
    if summary.totals["rejected"] and not summary.totals["readings"]:
        yield f"all {summary.totals['rejected']:,} rows were rejected: {REJECTS_CSV} tells why"


_WORDS = {
    SensorStatus.FAILED: "failed",
    SensorStatus.MISSING: "is missing",
    SensorStatus.NO_MODEL: "has no model",
}
