"""`episodes.csv` and `days.csv`: when each sensor was anomalous, and what it sent each day."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.formats import DAY_COLUMNS, DAYS_CSV, EPISODE_COLUMNS, EPISODES_CSV
from scoring.keys import SensorKey
from scoring.printable import cell
from scoring.step.history import Day
from scoring.step.outcome import SensorOutcome

type RejectedOn = Mapping[tuple[SensorKey, str], int]
"""Rejects of a sensor on a UTC day."""


def write_history(out: Path, sensors: Sequence[SensorOutcome], rejected: RejectedOn) -> None:
    """Write both files.

    Args:
        out: the folder of the run.
        sensors: their outcomes, in order of their keys.
        rejected: rejects whose sensor and time could be read; those of other sensors are ignored.

    Raises:
        OutputError: the folder cannot be written.
    """
    _write(out / EPISODES_CSV, EPISODE_COLUMNS, _episodes(sensors))
    _write(out / DAYS_CSV, DAY_COLUMNS, _days(sensors, rejected))


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def _episodes(sensors: Iterable[SensorOutcome]) -> Iterator[Sequence[Any]]:
    for sensor in sensors:
        for episode in sensor.episodes:
            yield cell(sensor.device), cell(sensor.sensor), *episode, sensor.gap, sensor.days[-1].last


def _days(sensors: Iterable[SensorOutcome], rejected: RejectedOn) -> Iterator[Sequence[Any]]:
    rejects: dict[SensorKey, dict[str, int]] = {}
    for (key, date), count in rejected.items():
        rejects.setdefault(key, {})[date] = count
    for sensor in sensors:
        of_sensor = rejects.get(sensor.key, {})
        days = {day.date: day for day in sensor.days}
        for date in sorted(days.keys() | of_sensor.keys()):
            count = of_sensor.get(date, 0)
            day = days.get(date, Day(date, 0, 0, "", "", None))
            numbers = (day.readings, day.anomalies, count, day.first, day.last, day.last_anomaly)
            yield cell(sensor.device), cell(sensor.sensor), date, *numbers
