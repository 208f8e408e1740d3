"""The finished folder of a run, as it stands on disk."""

import csv
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from scoring.errors import ScoringError
from scoring.readings import timestamps
from scoring.step.outcome import read_worst

SUMMARY_NAME, REJECTS_NAME = "summary.json", "rejects.csv"
VERSION = 1

MOST_REJECTS_COUNTED = 100_000
"""Reasons are counted in so many rejects at the beginning of the file; their total is in the summary."""

_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Sensor:
    """One row of the summary."""

    device: str
    sensor: str
    status: str
    reason: str | None
    readings: int
    rejected: int
    anomalies: int
    first: str | None
    last: str | None
    worst: float | None
    model: str | None
    file: str | None

    @property
    def share(self) -> float:
        """Anomalies among the readings, 0 to 1."""
        return self.anomalies / self.readings if self.readings else 0.0


@dataclass(frozen=True, slots=True)
class Landing:
    """One landing, and how it was found."""

    name: str
    status: str
    reason: str | None
    readings: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Folder:
    """What a run left: `read` takes in all but the predictions."""

    path: Path
    run: str | None
    totals: dict[str, int]
    sensors: list[Sensor]
    landings: list[Landing]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The folder's summary.

        Raises:
            ScoringError: there is no summary, or it is not one.
        """
        summary = path / SUMMARY_NAME
        try:
            document = json.loads(summary.read_bytes())
            if document["version"] != VERSION:
                raise ScoringError(
                    f"{summary}: version {document['version']} is not {VERSION}; update this project"
                )
            return cls(
                path,
                document["run"],
                {name: int(count) for name, count in document["totals"].items()},
                [_pick(Sensor, row | {"worst": read_worst(row["worst"])}) for row in document["sensors"]],
                [_pick(Landing, row) for row in document["landings"]],
            )
        except FileNotFoundError as error:
            raise ScoringError(
                f"{path} holds no {SUMMARY_NAME}: run `python -m scoring collect` first"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ScoringError(
                f"{summary} is not the summary of a run ({error!r}); collect it again"
            ) from error


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
        # A name may hold a line break only in quotes, and such a name is no sensor key.
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
            raise ScoringError(f"{path}: a TS cannot be read; score its sensor again")
        times = moments // 1_000_000
        order = np.argsort(times, kind="stable")
        scores, labels = table["Score"].to_numpy(), table["Prediction"].to_numpy()
        return cls(times[order], values[order], scores[order], labels[order] == 1)


def trailing_anomalies(path: Path) -> int:
    """How many readings at the end of a file of predictions are anomalies, as far as its last bytes tell."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().split(b"\n")[1:-1]  # the first is cut, or is the header
    except FileNotFoundError:
        return 0
    count = 0
    for line in reversed(lines):
        if line.rsplit(b",", 2)[1:2] != [b"1"]:
            break
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Rejects:
    """Rows that could not be scored: how many for which reason, and the first of them."""

    reasons: list[tuple[str, int]]
    first: list[dict[str, str]]
    all_counted: bool

    @classmethod
    def read(cls, folder: Path, most: int) -> Self:
        """The rejects of a run; `most` of them as they are."""
        reasons: Counter[str] = Counter()
        first: list[dict[str, str]] = []
        path = folder / REJECTS_NAME
        if not path.is_file():
            return cls([], [], all_counted=True)
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                if reasons.total() == MOST_REJECTS_COUNTED:
                    return cls(reasons.most_common(), first, all_counted=False)
                reasons[row["reason"] or "no reason"] += 1
                if len(first) < most:
                    first.append({name: text or "" for name, text in row.items() if isinstance(name, str)})
        return cls(reasons.most_common(), first, all_counted=True)


def _numbers(texts: pa.ChunkedArray) -> np.ndarray:
    """Values as floats; Python's own reading of them where they are not written in the common way."""
    try:
        numbers: np.ndarray = pc.cast(texts, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        numbers = np.array([float(text) for text in texts.to_pylist()])
    return numbers


def _pick[Row: (Sensor, Landing)](kind: type[Row], row: dict[str, Any]) -> Row:
    return kind(**{name: row[name] for name in kind.__slots__})
