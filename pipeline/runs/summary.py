"""The summary of a run as this package reads it: totals, sensors, landings and kinds of rejects."""

from dataclasses import dataclass

from pipeline.errors import NotFound
from pipeline.json_documents import read_document
from pipeline.runs.record import RunState
from pipeline.storage.container import Container
from scoring.formats import SUMMARY_JSON, SUMMARY_VERSION, LandingStatus, SensorStatus

_ENDS = frozenset({RunState.SUCCEEDED, RunState.PARTLY, RunState.FAILED})
"""The states that a summary can give to its run."""


@dataclass(frozen=True, slots=True)
class SensorRow:
    """A sensor of a summary."""

    device: str
    sensor: str
    status: SensorStatus
    reason: str | None
    readings: int = 0
    rejected: int = 0
    anomalies: int = 0
    model: str | None = None
    """The SHA-256 of its model."""


@dataclass(frozen=True, slots=True)
class LandingRow:
    """A landing of a summary."""

    name: str
    status: LandingStatus
    reason: str | None
    readings: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class RejectsRow:
    """Rejected rows of one kind: how many, where the first is, and a hint where the values show one."""

    kind: str
    count: int
    file: str | None = None
    line: int | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The fields of summary.json that are used; summaries of earlier versions have no state and reasons."""

    totals: dict[str, int]
    sensors: tuple[SensorRow, ...]
    landings: tuple[LandingRow, ...]
    state: RunState | None = None
    reasons: tuple[str, ...] = ()
    rejects: tuple[RejectsRow, ...] = ()
    run: str | None = None

    def __post_init__(self) -> None:
        if missing := {"readings", "rejected", "scored"} - self.totals.keys():
            raise ValueError(f"its totals have no {min(missing)}")
        if self.state is not None and self.state not in _ENDS:
            raise ValueError(f"its state is {self.state}, expected one of {', '.join(sorted(_ENDS))}")


def read_summary(data: bytes, where: str) -> Summary:
    """The summary in `data`, which was read from `where`.

    Raises:
        RunDocumentError: it is not a summary.
    """
    return read_document(
        data,
        Summary,
        version=SUMMARY_VERSION,
        where=where,
        what="a summary",
        hint="see the log of collect",
    )


def find_summary(preds: Container, run: str) -> Summary | None:
    """The summary of a run; None if it has none.

    Raises:
        RunDocumentError: it cannot be read.
    """
    path = f"{run}/{SUMMARY_JSON}"
    try:
        data = preds.read(path).data
    except NotFound:
        return None
    return read_summary(data, f"{preds.name}/{path}")
