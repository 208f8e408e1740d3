"""The outcome of one step: a JSON file that `collect` reads."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from scoring.atomic_files import write_atomically
from scoring.errors import ScoringError
from scoring.formats import OUTCOME_VERSION, OUTCOMES_FOLDER, SensorStatus
from scoring.json_files import Document, json_bytes
from scoring.keys import SensorKey
from scoring.readings.files import FoundLanding
from scoring.step.episodes import Episode
from scoring.step.history import Day


class LandingResult(Protocol):
    """How a landing was found."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str | None: ...  # noqa: D102


def landing_line(found: LandingResult) -> str:
    """A landing and the reason for its status; many reasons start with its name."""
    reason = found.reason or found.status
    return reason if reason.startswith(found.name) else f"{found.name}: {reason}"


@dataclass(slots=True)
class SensorOutcome:
    """One sensor's numbers; `first` and `last` are TS texts, `worst` is the lowest score.

    `gap`, `days` and `episodes` are those of `SensorHistory`; a sensor that was not scored has days only.
    """

    device: str
    sensor: str
    status: SensorStatus
    reason: str | None = None
    readings: int = 0
    anomalies: int = 0
    first: str | None = None
    last: str | None = None
    worst: float | None = None
    model: str | None = None
    gap: str = ""
    days: list[Day] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)

    @property
    def key(self) -> SensorKey:
        """The sensor's key."""
        return SensorKey(self.device, self.sensor)


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The outcome of each sensor of one step, and how the step found each landing."""

    step: str
    sensors: list[SensorOutcome] = field(default_factory=list)
    landings: list[FoundLanding] = field(default_factory=list)
    written: int = field(default=0, compare=False)
    """When its file was written, in nanoseconds since 1970; 0 where it was not read from a file."""

    def write(self, out: Path) -> None:
        """Write the outcome below the folder of the run's predictions."""
        document = {
            "version": OUTCOME_VERSION,
            "step": self.step,
            "sensors": [json_row(row_of(sensor)) for sensor in self.sensors],
            "landings": [asdict(landing) for landing in self.landings],
        }
        write_atomically(out / OUTCOMES_FOLDER / f"{self.step}.json", json_bytes(document))


def read_outcomes(out: Path) -> list[StepOutcome]:
    """The outcomes of all steps of a run, in order of their names.

    Raises:
        ScoringError: a file is not an outcome.
    """
    return [_read(path) for path in sorted((out / OUTCOMES_FOLDER).glob("*.json"))]


_OUTCOME = Document(
    StepOutcome, OUTCOME_VERSION, "the outcome of a step", "run that step again", strict=False
)


def _read(path: Path) -> StepOutcome:
    outcome = _OUTCOME.read(path)
    for sensor in outcome.sensors:
        try:
            _check(sensor)
        except ValueError as error:
            where = f"{sensor.device!r}/{sensor.sensor!r}"
            raise ScoringError(
                f"{path} is not {_OUTCOME.what}: {where}: {error}; {_OUTCOME.remedy}"
            ) from error
    return replace(outcome, written=path.stat().st_mtime_ns)


def _check(sensor: SensorOutcome) -> None:
    SensorKey(sensor.device, sensor.sensor)
    if sensor.worst is not None and math.isnan(sensor.worst):
        raise ValueError("worst is not a number")


def row_of(outcome: SensorOutcome) -> dict[str, Any]:
    """The fields of an outcome as a dict; `asdict` copies deeply, which is slow."""
    return {name: getattr(outcome, name) for name in SensorOutcome.__slots__}


def json_row(row: dict[str, Any]) -> dict[str, Any]:
    """A sensor's row for JSON, which has no infinity: "-Infinity" is stored as a text."""
    worst = row["worst"]
    if worst is None or math.isfinite(worst):
        return row
    return row | {"worst": "Infinity" if worst > 0 else "-Infinity"}


def by_key(outcomes: Iterable[StepOutcome]) -> dict[SensorKey, SensorOutcome]:
    """Each sensor's outcome; of several, the newest: its step's predictions are in the folder."""
    ordered = sorted(outcomes, key=lambda outcome: (outcome.written, outcome.step))
    return {sensor.key: sensor for outcome in ordered for sensor in outcome.sensors}


def duplicate_sensors(outcomes: Iterable[StepOutcome]) -> str | None:
    """A message about sensors that several steps scored, if there are any."""
    steps: dict[SensorKey, list[str]] = {}
    for outcome in outcomes:
        for sensor in outcome.sensors:
            steps.setdefault(sensor.key, []).append(outcome.step)
    duplicates = [key for key, names in steps.items() if len(names) > 1]
    if not duplicates:
        return None
    first = min(duplicates)
    by = " and ".join(steps[first])
    sensors = "1 sensor was" if len(duplicates) == 1 else f"{len(duplicates):,} sensors were"
    return f"{sensors} scored by several steps, the first is {first} by {by}: the newest outcome counts"
