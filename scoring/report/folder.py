"""The folder of a finished run: its summary, predictions and rejects."""

import csv
import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from scoring.arrow import cast, to_numpy
from scoring.errors import ScoringError
from scoring.formats import (
    LEAST_EPISODE,
    REJECTS_CSV,
    SUMMARY_JSON,
    SUMMARY_VERSION,
    LandingStatus,
    RejectKind,
    RunOutcome,
    SensorStatus,
)
from scoring.json_files import Document
from scoring.readings import timestamps

_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class SensorRow:
    """A sensor's row of the summary."""

    device: str
    sensor: str
    status: SensorStatus
    reason: str | None
    readings: int
    rejected: int
    anomalies: int
    first: str | None
    last: str | None
    model: str | None
    file: str | None

    @property
    def share(self) -> float:
        """Anomalies among the readings, 0 to 1."""
        return self.anomalies / self.readings if self.readings else 0.0


@dataclass(frozen=True, slots=True)
class LandingRow:
    """A landing's row of the summary."""

    name: str
    status: LandingStatus
    reason: str | None
    readings: int
    rejected: int


@dataclass(frozen=True, slots=True)
class RejectRow:
    """A kind of reject in the summary: how many there are, and the first of them."""

    kind: RejectKind
    count: int
    file: str
    line: int
    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class RunTotals:
    """The numbers of the summary that a report shows."""

    readings: int
    scored: int
    rejected: int
    anomalies: int
    sensors: int
    sensors_scored: int
    models_without_readings: int
    landings: int
    landings_read: int
    sensors_without_rows: int = 0
    """Expected sensors that sent nothing; if none are known, all sensors with a model that did."""


@dataclass(frozen=True, slots=True)
class _Summary:
    """Those of earlier versions of this project have no `state`, `reasons`, `rejects` and `least_episode`."""

    run: str | None
    totals: RunTotals
    sensors: list[SensorRow]
    landings: list[LandingRow]
    state: RunOutcome | None = None
    reasons: tuple[str, ...] = ()
    rejects: tuple[RejectRow, ...] = ()
    least_episode: int = LEAST_EPISODE


@dataclass(frozen=True, slots=True)
class Folder(_Summary):
    """What a run wrote; `read` reads everything but the predictions."""

    path: Path = field(kw_only=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The folder's summary.

        Raises:
            ScoringError: there is no summary, or it is not one.
        """
        try:
            summary = _SUMMARY.read(path / SUMMARY_JSON)
        except FileNotFoundError as error:
            raise ScoringError(
                f"{path} holds no {SUMMARY_JSON}: name the folder that `score` or `collect` has written to"
            ) from error
        return cls(path=path, **{name: getattr(summary, name) for name in _Summary.__slots__})


_SUMMARY = Document(_Summary, SUMMARY_VERSION, "the summary of a run", "collect it again")


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One sensor's predictions in order of time; all columns have shape (n,)."""

    times: np.ndarray
    """int64, milliseconds since 1970."""
    values: np.ndarray
    scores: np.ndarray
    anomalous: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Self:
        """The predictions in a file.

        Raises:
            ScoringError: it is not a file of predictions.
        """
        columns = ["TS", "Val", "Prediction", "Score"]
        types = {"TS": pa.string(), "Val": pa.string(), "Prediction": pa.uint8(), "Score": pa.float64()}
        # A name with a line break would be quoted, but is not a sensor key, so there is none.
        options = pa_csv.ConvertOptions(
            column_types=types, include_columns=columns, strings_can_be_null=False
        )
        try:
            table = pa_csv.read_csv(path, convert_options=options)
            moments, valid = timestamps.parse(table["TS"].combine_chunks())
            values = _numbers(table["Val"])
        except (pa.ArrowException, ValueError, KeyError) as error:
            raise ScoringError(f"{path} is not a file of predictions: {error}") from error
        if not valid.all():
            raise ScoringError(f"{path}: a TS is not a timestamp; score its sensor again")
        times = moments // 1_000_000
        order = np.argsort(times, kind="stable")
        scores = to_numpy(table["Score"].combine_chunks())
        labels = to_numpy(table["Prediction"].combine_chunks())
        return cls(times[order], values[order], scores[order], labels[order] == 1)


def trailing_anomalies(path: Path) -> int:
    """How many of the last readings in a file of predictions are anomalies, judged by its last bytes."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().split(b"\n")[1:-1]  # the first is incomplete, or is the header
    except FileNotFoundError:
        return 0
    count = 0
    for line in reversed(lines):
        if line.rsplit(b",", 2)[1:2] != [b"1"]:
            break
        count += 1
    return count


def first_rejects(folder: Path, most: int) -> list[dict[str, str]]:
    """The first `most` rejected rows of a run, with the columns of the file."""
    path = folder / REJECTS_CSV
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = islice(csv.DictReader(file), most)
        return [{name: text or "" for name, text in row.items() if isinstance(name, str)} for row in rows]


def _numbers(texts: pa.ChunkedArray) -> np.ndarray:
    """Values as floats; read by Python where they are written in an uncommon way."""
    try:
        numbers: np.ndarray = to_numpy(cast(texts.combine_chunks(), pa.float64()))
    except pa.ArrowInvalid:
        numbers = np.array([float(text) for text in texts.to_pylist()])
    return numbers
