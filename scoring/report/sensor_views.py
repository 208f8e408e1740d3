"""What the page shows of each sensor: why it needs attention, and a chart within the page's budget.

Sensors that need attention most get a chart first; the others are listed with their numbers and a link to
their CSV.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scoring.errors import ScoringError
from scoring.models.detector import Detector
from scoring.report import downsample, encoding
from scoring.report.attention import NOW_READINGS, Attention, RankedSensor, explain, side, sort_key
from scoring.report.boundary import Boundary, from_model, from_readings
from scoring.report.boundary_file import FindBoundary
from scoring.report.folder import Folder, Predictions, SensorRow, trailing_anomalies
from scoring.report.timeline import Timeline

type FindDetector = Callable[[SensorRow], Detector | None]
"""The model of a sensor, if it is available."""

type _FindExact = Callable[[SensorRow, np.ndarray], Boundary | None]

MOST_DRAWN = 1_000
MOST_POINTS, LEAST_POINTS, POINTS_IN_ALL = 4_000, 720, 800_000
"""Readings drawn of one sensor, anomalies not counted: the fewer sensors, the more of each."""

MOST_MARKS = 20_000
"""No chart is wide enough to show more marks: beyond this they are thinned, and the page notes that."""

MOST_BYTES = 12_500_000
"""Of the page, for charts: with everything else it stays under 15 MB."""

MOST_BYTES_READ = 2 << 30
"""Of predictions: a page should not take longer than the scoring did."""


@dataclass(frozen=True, slots=True)
class SensorView:
    """A sensor as the page shows it; `chart` is None where it is listed only."""

    ranked: RankedSensor
    why: str
    chart: dict[str, Any] | None = None
    side: str = ""
    """"too high" or "too low", where nearly all of its anomalies are."""
    boundary: Boundary | None = None
    """What the model calls normal, where that is known exactly."""


def view_sensors(
    folder: Folder, find_detector: FindDetector, find_boundary: FindBoundary, timeline: Timeline
) -> list[SensorView]:
    """Every sensor of a run, those that need attention most first; `timeline` counts those with a chart."""

    def find_exact(sensor: SensorRow, values: np.ndarray) -> Boundary | None:
        detector = find_detector(sensor) if len(values) else None
        return from_model(detector, values) if detector else find_boundary(sensor)

    ranked = sorted((_rank(folder.path, sensor) for sensor in folder.sensors), key=sort_key)
    views = list(_views(folder.path, ranked, find_exact, timeline))
    return sorted(views, key=lambda view: sort_key(view.ranked))


def _rank(path: Path, sensor: SensorRow) -> RankedSensor:
    trailing = 0
    # With fewer anomalies a sensor is never anomalous at the end: its file need not be opened.
    if sensor.file and sensor.anomalies >= NOW_READINGS:
        trailing = trailing_anomalies(path / sensor.file)
    return RankedSensor(sensor, Attention.of(sensor, trailing), trailing)


def _views(
    path: Path, ranked: list[RankedSensor], find_exact: _FindExact, timeline: Timeline
) -> Iterator[SensorView]:
    chosen = {id(each) for each in _affordable(path, ranked)}
    points = min(MOST_POINTS, max(LEAST_POINTS, POINTS_IN_ALL // max(1, len(chosen))))
    budget = MOST_BYTES
    for each in ranked:
        if id(each) not in chosen or each.sensor.file is None:
            yield SensorView(each, explain(each, None, None))
            continue
        try:
            predictions = Predictions.read(path / each.sensor.file)
        except (ScoringError, OSError) as error:
            yield SensorView(each, f"{explain(each, None, None)} Its file cannot be drawn: {error}")
            continue
        view = _drawn(each, predictions, find_exact(each.sensor, predictions.values), points)
        budget -= _size(view.chart)
        if budget < 0:
            yield replace(view, chart=None)
            continue
        timeline.add(predictions)
        yield view


def _affordable(path: Path, ranked: Iterable[RankedSensor]) -> Iterator[RankedSensor]:
    budget, count = MOST_BYTES_READ, 0
    for each in ranked:
        if count == MOST_DRAWN:
            return
        file = each.sensor.file and path / each.sensor.file
        if file and file.is_file():
            budget -= file.stat().st_size
            count += 1
            if budget < 0:
                return
            yield each


def _drawn(
    ranked: RankedSensor, predictions: Predictions, boundary: Boundary | None, points: int
) -> SensorView:
    if ranked.sensor.anomalies:  # in order of time now; the file is in the order in which readings came
        normal = np.flatnonzero(~predictions.anomalous)
        count = len(predictions.anomalous)
        trailing = count - 1 - int(normal[-1]) if len(normal) else count
        ranked = RankedSensor(ranked.sensor, Attention.of(ranked.sensor, trailing), trailing)
    if boundary is None:
        boundary = from_readings(predictions.values, predictions.scores, predictions.anomalous)
    return SensorView(
        ranked,
        explain(ranked, predictions, boundary),
        _chart(predictions, boundary, points),
        side(predictions, boundary),
        boundary if boundary and boundary.exact else None,
    )


def _chart(predictions: Predictions, boundary: Boundary | None, points: int) -> dict[str, Any]:
    marked = downsample.thin(np.flatnonzero(predictions.anomalous), MOST_MARKS)
    is_marked = np.zeros(len(predictions.anomalous), bool)
    is_marked[marked] = True
    kept = downsample.keep(predictions.values, predictions.scores, is_marked, points)
    marks = np.flatnonzero(is_marked[kept])
    return {
        "times": encoding.times(predictions.times[kept]),
        "values": encoding.numbers(predictions.values[kept]),
        "scores": encoding.floats(predictions.scores[kept]),
        "marks": encoding.whole(np.diff(marks, prepend=0)),
        "readings": len(predictions.times),
        "thinned": len(marked) < int(predictions.anomalous.sum()),
        "normal": boundary.normal if boundary else None,
        "exact": bool(boundary and boundary.exact),
    }


def _size(chart: dict[str, Any] | None) -> int:
    if chart is None:
        return 0
    encoded = (chart["times"]["data"], chart["values"]["data"], chart["scores"], chart["marks"])
    return sum(map(len, encoded))
