"""`boundaries.json`: exact boundaries, stored by a run that has the models for a report that does not."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from scoring.atomic_files import write_atomically
from scoring.formats import BOUNDARIES_JSON, BOUNDARIES_VERSION
from scoring.json_files import Document, json_bytes
from scoring.report.boundary import Boundary
from scoring.report.folder import SensorRow

type FindBoundary = Callable[[SensorRow], Boundary | None]
"""The exact boundary of a sensor's model, if it is known."""


@dataclass(frozen=True, slots=True)
class SensorBoundary:
    """The boundary of one sensor's model; that of another model is never used: `model` is its SHA-256."""

    device: str
    sensor: str
    model: str
    normal: tuple[tuple[float | None, float | None], ...]


@dataclass(frozen=True, slots=True)
class _Boundaries:
    boundaries: list[SensorBoundary]


_BOUNDARIES = Document(
    _Boundaries,
    BOUNDARIES_VERSION,
    "the boundaries of a run",
    "delete it, or write the report with --models",
)


def write_boundaries(folder: Path, boundaries: Iterable[SensorBoundary]) -> None:
    """Store boundaries in the folder of a run.

    Raises:
        OutputError: the folder cannot be written.
    """
    rows = [asdict(boundary) for boundary in boundaries]
    document = {"version": BOUNDARIES_VERSION, "boundaries": rows}
    write_atomically(folder / BOUNDARIES_JSON, json_bytes(document))


def read_boundaries(folder: Path) -> FindBoundary:
    """The boundaries stored in the folder of a run; none where an older version of this project wrote it.

    Raises:
        ScoringError: the file is damaged.
    """
    path = folder / BOUNDARIES_JSON
    stored = _BOUNDARIES.read(path).boundaries if path.exists() else []
    known = {(each.device, each.sensor, each.model): Boundary(each.normal, exact=True) for each in stored}

    def find(sensor: SensorRow) -> Boundary | None:
        return known.get((sensor.device, sensor.sensor, sensor.model or ""))

    return find
