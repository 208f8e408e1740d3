"""Reads the summary of a run: its final state, its counts, and its error in one line."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.json_documents import read_document
from pipeline.runs.record import RunState, RunStatus
from scoring import SensorKey
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
    """The fields of summary.json that are used."""

    totals: dict[str, int]
    sensors: tuple[_Sensor, ...]
    landings: tuple[_Landing, ...]

    def __post_init__(self) -> None:
        if missing := {"readings", "rejected", "scored"} - self.totals.keys():
            raise ValueError(f"its totals have no {min(missing)}")


def read_summary(data: bytes, where: str) -> RunStatus:
    """How a run ended, by its summary: partly succeeded if a sensor was not scored, failed if none was.

    A landing that was replaced or deleted in the meantime is not a failure, nor is a model without readings.

    Raises:
        RunDocumentError: it is not a summary.
    """
    found = _read(data, where)
    counts, problems = found.totals, list(_problems(found))
    if not problems:
        return RunStatus(state=RunState.SUCCEEDED, counts=counts)
    more = f"; and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    line = "; ".join(problems[:_SHOWN]) + more
    state = RunState.PARTLY if counts["scored"] else RunState.FAILED
    return RunStatus(state=state, error=line, counts=counts)


def missing_sensors(data: bytes, where: str) -> list[SensorKey]:
    """The sensors with readings and a model that no step wrote an outcome of.

    Raises:
        RunDocumentError: it is not a summary.
    """
    sensors = _read(data, where).sensors
    return [SensorKey(one.device, one.sensor) for one in sensors if one.status is SensorStatus.MISSING]


def _read(data: bytes, where: str) -> _Summary:
    return read_document(
        data,
        _Summary,
        version=SUMMARY_VERSION,
        where=where,
        what="a summary",
        hint="see the log of collect",
    )


def _problems(summary: _Summary) -> Iterator[str]:
    for landing in summary.landings:
        if landing.status in NOT_READ:
            yield f"{landing.name} is {landing.status}: {landing.reason}"
    for sensor in summary.sensors:
        if sensor.status in NOT_SCORED:
            why = f": {sensor.reason}" if sensor.reason else ""
            yield f"sensor {sensor.device}/{sensor.sensor} {_WORDS[sensor.status]}{why}"
    if summary.totals["rejected"] and not summary.totals["readings"]:
        yield f"all {summary.totals['rejected']:,} rows were rejected: see {REJECTS_CSV}"


_WORDS = {
    SensorStatus.FAILED: "failed",
    SensorStatus.MISSING: "is missing",
    SensorStatus.NO_MODEL: "has no model",
}
