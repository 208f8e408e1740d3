"""Boundaries that an earlier page of the same folder holds: who wrote it had the models to ask."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scoring.report.boundary import Boundary
from scoring.report.folder import SensorRow

type FindBoundary = Callable[[SensorRow], Boundary | None]
"""The boundary of a sensor's model, if it is known."""

_DATA = re.compile(rb'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)

MODEL_DIGITS = 16
"""So much of a model's hash stands beside its boundary: that of another model is never taken."""


def earlier_boundaries(page: Path) -> FindBoundary:
    """The exact boundaries in a page, of sensors that the same model scored; none in what is no page."""
    try:
        found = _DATA.search(page.read_bytes())
        known = _exact(json.loads(found[1])) if found else {}
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        known = {}  # it is written anew, whatever it was

    def find(sensor: SensorRow) -> Boundary | None:
        return known.get((sensor.device, sensor.sensor, (sensor.model or "")[:MODEL_DIGITS]))

    return find


def _exact(data: dict[str, Any]) -> dict[tuple[str, str, str], Boundary]:
    sensors, charts = data["sensors"], data["charts"]
    rows = zip(sensors["device"], sensors["sensor"], sensors["chart"], strict=True)
    drawn = [(device, sensor, charts[place]) for device, sensor, place in rows if place is not None]
    return {
        (device, sensor, chart["model"]): Boundary(
            tuple((_end(low), _end(high)) for low, high in chart["normal"]), exact=True
        )
        for device, sensor, chart in drawn
        if chart["exact"] and chart["model"]
    }


def _end(number: Any) -> float | None:
    return None if number is None else float(number)
