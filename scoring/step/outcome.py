"""What one step says of its work: a JSON file that `collect` reads."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.errors import ScoringError
from scoring.keys import SensorKey
from scoring.readings.files import LandingStatus

VERSION = 1
FOLDER = "_steps"

_TEXT, _COUNT, _OPTIONAL = (str,), (int,), (str, NoneType)
_KINDS: dict[str, tuple[type, ...]] = {
    "device": _TEXT,
    "sensor": _TEXT,
    "status": _TEXT,
    "reason": _OPTIONAL,
    "readings": _COUNT,
    "anomalies": _COUNT,
    "first": _OPTIONAL,
    "last": _OPTIONAL,
    "worst": (float, int, str, NoneType),
    "model": _OPTIONAL,
}
_LANDING_KINDS = {"name": _TEXT, "status": _TEXT, "reason": _OPTIONAL}
"""What each field of a sensor, and of a landing, may be."""


class SensorStatus(StrEnum):
    """How a sensor came out of a run."""

    SCORED = "scored"
    FAILED = "failed"
    NO_MODEL = "no-model"
    NO_READINGS = "no-readings"
    MISSING = "missing"
    """There are readings and a model, but no step left a result."""


@dataclass(slots=True)
class SensorOutcome:
    """One sensor's numbers; `first` and `last` are TS texts, `worst` is the lowest score."""

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

    @property
    def key(self) -> SensorKey:
        """The sensor that this is about."""
        return SensorKey(self.device, self.sensor)


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one step leaves: an outcome per sensor, and how it found each landing."""

    step: str
    sensors: list[SensorOutcome] = field(default_factory=list)
    landings: list[LandingStatus] = field(default_factory=list)
    written: int = field(default=0, compare=False)
    """When it was left, in nanoseconds since 1970; 0 where it was not read from a file."""

    def write(self, out: Path) -> None:
        """Leave this under the folder of the run's predictions."""
        document = {
            "version": VERSION,
            "step": self.step,
            "sensors": [json_row(row_of(sensor)) for sensor in self.sensors],
            "landings": [asdict(landing) for landing in self.landings],
        }
        write_atomically(out / FOLDER / f"{self.step}.json", json_bytes(document))


def read_outcomes(out: Path) -> list[StepOutcome]:
    """All that the steps of a run left, in order of their names.

    Raises:
        ScoringError: a file is not an outcome.
    """
    return [_read(path) for path in sorted((out / FOLDER).glob("*.json"))]


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A JSON document as people and machines read it: an item of a list to a line.

    `json.dumps` with an indent is Python's own loop, which with many sensors takes longer than scoring.
    """
    lines = (f"{_ENCODE(name)}: {_value(value)}" for name, value in document.items())
    return ("{\n " + ",\n ".join(lines) + "\n}\n").encode()


def _value(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(map(_ENCODE, value)) + "\n ]"
    return _ENCODE(value)


_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def row_of(outcome: SensorOutcome) -> dict[str, Any]:
    """What `SensorOutcome(**row)` makes again; `asdict` copies deeply, which is slow."""
    return {name: getattr(outcome, name) for name in SensorOutcome.__slots__}


def json_row(row: dict[str, Any]) -> dict[str, Any]:
    """A sensor's row for JSON, which has no infinity: the text "-Infinity" instead, which `float` reads."""
    worst = row["worst"]
    if worst is None or math.isfinite(worst):
        return row
    return row | {"worst": "Infinity" if worst > 0 else "-Infinity"}


def read_worst(told: float | str | None) -> float | None:
    """The lowest score in a row that `json_row` made.

    Raises:
        ValueError: it is not a number.
    """
    worst = None if told is None else float(told)
    if worst is not None and math.isnan(worst):
        raise ValueError("worst is not a number")
    return worst


def _read(path: Path) -> StepOutcome:
    try:
        document = json.loads(path.read_bytes())
        if document["version"] != VERSION:
            raise ScoringError(f"{path}: version {document['version']} is not {VERSION}; update this project")
        return StepOutcome(
            step=str(document["step"]),
            sensors=[_sensor(row) for row in document["sensors"]],
            landings=[_landing(row) for row in document["landings"]],
            written=path.stat().st_mtime_ns,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        line = " ".join(str(error).split())[:200]
        raise ScoringError(f"{path} is not the outcome of a step ({line}); run that step again") from error


def _sensor(row: dict[str, Any]) -> SensorOutcome:
    _check(row, _KINDS)
    SensorKey(row["device"], row["sensor"])  # what cannot be a key is told here, where the file is known
    return SensorOutcome(
        **{**row, "status": SensorStatus(row["status"]), "worst": read_worst(row.get("worst"))}
    )


def _check(row: dict[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    for name, value in row.items():
        if type(value) not in kinds[name]:
            raise ValueError(f"{name} should not be {str(value)[:40]!r}")


def _landing(row: dict[str, Any]) -> LandingStatus:
    _check(row, _LANDING_KINDS)
    return LandingStatus(**row)


def by_key(outcomes: Iterable[StepOutcome]) -> dict[SensorKey, SensorOutcome]:
    """Each sensor's outcome; where steps left several, the newest: that step's predictions lie there."""
    ordered = sorted(outcomes, key=lambda outcome: (outcome.written, outcome.step))
    return {sensor.key: sensor for outcome in ordered for sensor in outcome.sensors}


def told_twice(outcomes: Iterable[StepOutcome]) -> str | None:
    """In words, which sensors stand in the outcomes of several steps, if any do."""
    steps: dict[SensorKey, list[str]] = {}
    for outcome in outcomes:
        for sensor in outcome.sensors:
            steps.setdefault(sensor.key, []).append(outcome.step)
    twice = [key for key, names in steps.items() if len(names) > 1]
    if not twice:
        return None
    by = " and ".join(steps[min(twice)])
    sensors = "1 sensor was" if len(twice) == 1 else f"{len(twice):,} sensors were"
    return f"{sensors} scored by several steps, the first is {min(twice)} by {by}: the newest outcome counts"
