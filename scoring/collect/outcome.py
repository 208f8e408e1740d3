"""The outcome of a run, and the reasons for it: the one place that decides whether a run succeeded."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from scoring.collect.rejects import MOST_REJECTS, LandingCount, largest_first
from scoring.formats import NOT_READ, REJECTS_CSV, WAS_READ, LandingStatus, RunOutcome, SensorStatus
from scoring.readings.hints import in_brackets
from scoring.step.outcome import landing_line
from scoring.step.sensor_limit import MOST_UNKNOWN

_LONGEST = 400
"""Characters of a reason: a message from a model or a file can be long; it is whole in its own row."""


class Outcome(NamedTuple):
    """The state of a run, and a line for each kind of reason; the first is the most serious."""

    state: RunOutcome
    reasons: list[str]


def run_outcome(
    sensors: Sequence[Mapping[str, Any]], landings: Sequence[LandingCount], totals: Mapping[str, int]
) -> Outcome:
    """Whether a run succeeded, from the rows and totals of its summary.

    It succeeded where each sensor that has readings was scored, and each landing was read with few rejects. A
    landing that was replaced or deleted is not a failure: its next version has its own run. Nor is a sensor
    without readings.
    """
    with_readings = [row for row in sensors if row["readings"]]
    reasons = [
        line
        for kind in _MOST_SERIOUS_FIRST
        for line in (
            _of_landings(kind, landings)
            if isinstance(kind, LandingStatus)
            else _of_sensors(kind, with_readings)
        )
    ]
    if unlisted := totals.get("readings_unlisted"):
        reasons.append(
            f"{unlisted:,} readings are of more sensors without a model: "
            f"only the first {MOST_UNKNOWN:,} such sensors are listed"
        )
    if not reasons:
        return Outcome(RunOutcome.SUCCEEDED, [])
    return Outcome(RunOutcome.PARTLY if totals["scored"] else RunOutcome.FAILED, reasons)


def landing_outcome(landing: LandingCount, max_rejected: float) -> tuple[LandingStatus, str | None]:
    """The status of a landing in the summary, and the reason for it: of one that was read, by its rejects.

    A compressed file can end early: the readings before that place are scored, and the reason counts them.
    """
    rows = landing.readings + landing.rejected
    if landing.status in NOT_READ and landing.readings:
        return landing.status, f"{landing.reason}; the {landing.readings:,} readings before that were read"
    if landing.status not in WAS_READ or not landing.rejected:
        return landing.status, landing.reason
    if not landing.readings:
        return LandingStatus.ALL_REJECTED, describe_rejects(landing)
    if landing.rejected / rows > max_rejected:  # 0.29 * 100 is less than 29; 29 / 100 is 0.29
        return LandingStatus.PARTLY_REJECTED, describe_rejects(landing)
    return landing.status, landing.reason


def describe_rejects(landing: LandingCount) -> str:
    """How many rows of a landing were rejected, and why most of them were."""
    rows = landing.readings + landing.rejected
    count = f"all {rows:,}" if landing.rejected == rows > 1 else f"{landing.rejected:,} of {rows:,}"
    group, *others = largest_first([landing.groups])
    hint = in_brackets(group.kind, group.hint)
    why = f"{group.reason}{hint}, {'first in ' if group.count > 1 else ''}line {group.line}"
    rest = sum(other.count for other in others)
    line = f"{count} rows rejected: {why}" + (f"; {rest:,} of them for other reasons" if rest else "")
    cut = landing.rejected > MOST_REJECTS
    return f"{line}; {REJECTS_CSV} has the first {MOST_REJECTS:,}" if cut else line


def _of_landings(status: LandingStatus, landings: Sequence[LandingCount]) -> Iterator[str]:
    found = [landing for landing in landings if landing.status is status]
    yield from _line(found, _LANDING_WORDS[status], landing_line)


def _of_sensors(status: SensorStatus, sensors: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    found = [sensor for sensor in sensors if sensor["status"] == status]
    yield from _line(found, _SENSOR_WORDS[status], _describe_sensor)


def _line[T](found: Sequence[T], words: str, describe: Callable[[T], str]) -> Iterator[str]:
    if found:
        first = describe(found[0])
        line = first if len(found) == 1 else f"{len(found):,} {words}, the first is {first}"
        yield textwrap.shorten(line, _LONGEST, placeholder=" …")


def _describe_sensor(sensor: Mapping[str, Any]) -> str:
    return f"sensor {sensor['device']}/{sensor['sensor']}: {sensor['reason'] or sensor['status']}"


_LANDING_WORDS = {
    LandingStatus.UNREADABLE: "landings could not be read",
    LandingStatus.REFUSED: "landings were refused",
    LandingStatus.ALL_REJECTED: "landings had all rows rejected",
    LandingStatus.PARTLY_REJECTED: "landings had too many rows rejected",
}
_SENSOR_WORDS = {
    SensorStatus.FAILED: "sensors failed",
    SensorStatus.MISSING: "sensors are missing",
    SensorStatus.NO_MODEL: "sensors have no model",
}
_MOST_SERIOUS_FIRST: tuple[LandingStatus | SensorStatus, ...] = (
    LandingStatus.UNREADABLE,
    LandingStatus.REFUSED,
    LandingStatus.ALL_REJECTED,
    SensorStatus.FAILED,
    SensorStatus.MISSING,
    LandingStatus.PARTLY_REJECTED,
    SensorStatus.NO_MODEL,
)
