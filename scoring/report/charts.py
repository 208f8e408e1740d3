"""What is drawn of each sensor: its readings reduced, its anomalies, its boundary; within the page's budget.

The sensors that deserve attention most are drawn first; what does not fit any more is listed with its
numbers and a link to its CSV.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scoring.errors import ScoringError
from scoring.report import columns, downsample
from scoring.report.attention import Attention, Ranked, order, side, why
from scoring.report.boundary import Boundary, Detector, from_model, from_readings
from scoring.report.earlier import MODEL_DIGITS, FindBoundary
from scoring.report.folder import Folder, Predictions, Sensor, trailing_anomalies
from scoring.report.timeline import When

type FindDetector = Callable[[Sensor], Detector | None]
"""The model of a sensor, if it can be asked."""

type _Exact = Callable[[Sensor, np.ndarray], Boundary | None]

MOST_DRAWN = 1_000
MOST_POINTS, LEAST_POINTS, POINTS_IN_ALL = 4_000, 720, 800_000
"""Readings drawn of one sensor, anomalies not counted: the fewer sensors, the more of each."""

MOST_MARKS = 20_000
"""No chart is wide enough to tell more marks apart: beyond this they are thinned, and the page says so."""

MOST_BYTES = 12_500_000
"""Of the page, for charts: with all else it stays under 15 MB."""

MOST_BYTES_READ = 2 << 30
"""Of predictions: a page should not take longer than the scoring did."""


@dataclass(frozen=True, slots=True)
class Told:
    """A sensor as the page shows it; `chart` is None where it is listed only."""

    ranked: Ranked
    why: str
    chart: dict[str, Any] | None = None
    side: str = ""
    """"too high" or "too low", where nearly all of its anomalies are."""


def tell(folder: Folder, find_detector: FindDetector, when: When, find_boundary: FindBoundary) -> list[Told]:
    """Every sensor of a run, the one that deserves attention most first."""

    def exact(sensor: Sensor, values: np.ndarray) -> Boundary | None:
        detector = find_detector(sensor) if len(values) else None
        return from_model(detector, values) if detector else find_boundary(sensor)

    ranked = sorted((_rank(folder.path, sensor) for sensor in folder.sensors), key=order)
    told = list(_told(folder.path, ranked, exact, when))
    return sorted(told, key=lambda each: order(each.ranked))


def _rank(path: Path, sensor: Sensor) -> Ranked:
    trailing = trailing_anomalies(path / sensor.file) if sensor.file and sensor.anomalies else 0
    return Ranked(sensor, Attention.of(sensor, trailing), trailing)


def _told(path: Path, ranked: list[Ranked], exact: _Exact, when: When) -> Iterator[Told]:
    chosen = {id(each) for each in _affordable(path, ranked)}
    points = min(MOST_POINTS, max(LEAST_POINTS, POINTS_IN_ALL // max(1, len(chosen))))
    left = MOST_BYTES
    for each in ranked:
        if id(each) not in chosen or each.sensor.file is None:
            yield Told(each, why(each, None, None))
            continue
        try:
            predictions = Predictions.read(path / each.sensor.file)
        except (ScoringError, OSError) as error:
            yield Told(each, f"{why(each, None, None)} Its file cannot be drawn: {error}")
            continue
        told = _drawn(each, predictions, exact(each.sensor, predictions.values), points)
        left -= _size(told.chart)
        if left < 0:
            yield replace(told, chart=None)
            continue
        when.add(predictions)
        yield told


def _affordable(path: Path, ranked: Iterable[Ranked]) -> Iterator[Ranked]:
    left, count = MOST_BYTES_READ, 0
    for each in ranked:
        file = each.sensor.file and path / each.sensor.file
        if file and file.is_file() and count < MOST_DRAWN:
            left -= file.stat().st_size
            count += 1
            if left < 0:
                return
            yield each


def _drawn(ranked: Ranked, predictions: Predictions, boundary: Boundary | None, points: int) -> Told:
    if ranked.sensor.anomalies:  # in order of time now; the file is in the order in which readings came
        normal = np.flatnonzero(~predictions.anomalous)
        trailing = (
            len(predictions.anomalous) - 1 - int(normal[-1]) if len(normal) else len(predictions.anomalous)
        )
        ranked = Ranked(ranked.sensor, Attention.of(ranked.sensor, trailing), trailing)
    if boundary is None:
        boundary = from_readings(predictions.values, predictions.scores, predictions.anomalous)
    chart = _chart(predictions, boundary, points)
    if chart["exact"]:
        chart["model"] = (ranked.sensor.model or "")[:MODEL_DIGITS]
    return Told(ranked, why(ranked, predictions, boundary), chart, side(predictions, boundary))


def _chart(predictions: Predictions, boundary: Boundary | None, points: int) -> dict[str, Any]:
    marked = downsample.thin(np.flatnonzero(predictions.anomalous), MOST_MARKS)
    shown = np.zeros(len(predictions.anomalous), bool)
    shown[marked] = True
    kept = downsample.keep(predictions.values, predictions.scores, shown, points)
    marks = np.flatnonzero(shown[kept])
    return {
        "times": columns.moments(predictions.times[kept]),
        "values": columns.numbers(predictions.values[kept]),
        "scores": columns.floats(predictions.scores[kept]),
        "marks": columns.whole(np.diff(marks, prepend=0)),
        "readings": len(predictions.times),
        "thinned": len(marked) < int(predictions.anomalous.sum()),
        "normal": boundary.normal if boundary else None,
        "exact": bool(boundary and boundary.exact),
    }


def _size(chart: dict[str, Any] | None) -> int:
    if chart is None:
        return 0
    return (
        len(chart["times"]["data"])
        + len(chart["values"]["data"])
        + len(chart["scores"])
        + len(chart["marks"])
    )
