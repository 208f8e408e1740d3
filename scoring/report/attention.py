"""Which sensors need attention, in which order, and why, in an operator's words."""

from dataclasses import dataclass
from enum import Enum
from typing import Self

import numpy as np

from scoring.formats import NOT_SCORED, SensorStatus
from scoring.printable import counted
from scoring.report.boundary import Boundary
from scoring.report.folder import Predictions, SensorRow
from scoring.report.formatting import format_number, format_share
from scoring.report.names import natural_key

NOW_READINGS = 5
"""A sensor is anomalous at the end when this many readings, the last ones, are anomalies."""

_NEARLY_ALL = 0.9


class Attention(Enum):
    """Groups of sensors; the first needs attention most. Value: name, and what it means."""

    UNSCORED = "Not scored", "there are readings and a model, but scoring failed"
    REJECTED = "All rows rejected", "it sent rows, but none of them is a reading"
    SILENT = "Silent", "it is expected, but sent nothing"
    NOW = "Anomalous at the end", f"the last {NOW_READINGS} readings or more are all anomalies"
    ALWAYS = "Every reading anomalous", "the model calls no reading normal"
    SOME = "Some anomalies", "at least one reading is an anomaly"
    NO_MODEL = "No model", "there are readings, but no model to score them"
    NORMAL = "Normal", "every reading is normal"
    NO_READINGS = "No readings", "there is a model, but it sent nothing"

    @classmethod
    def of(cls, sensor: SensorRow, trailing: int) -> Self:
        """The group of a sensor whose last `trailing` readings are anomalies."""
        if sensor.status in {SensorStatus.NO_MODEL, SensorStatus.SILENT}:
            return cls[sensor.status.name]
        if sensor.status in NOT_SCORED:
            return cls["UNSCORED"]
        if sensor.status is SensorStatus.NO_READINGS or not sensor.readings:
            return cls["REJECTED" if sensor.rejected else "NO_READINGS"]
        if not sensor.anomalies:
            return cls["NORMAL"]
        if sensor.anomalies == sensor.readings >= NOW_READINGS:
            return cls["ALWAYS"]
        return cls["NOW" if trailing >= NOW_READINGS else "SOME"]


@dataclass(frozen=True, slots=True)
class RankedSensor:
    """A sensor, its group, and how many of its last readings are anomalies."""

    sensor: SensorRow
    attention: Attention
    trailing: int


_PLACE = {attention: place for place, attention in enumerate(Attention)}


def sort_key(ranked: RankedSensor) -> tuple[int, float, tuple[tuple[bool, int, str], ...]]:
    """Sorts by group, then by share of anomalies, then by name."""
    sensor = ranked.sensor
    return _PLACE[ranked.attention], -sensor.share, natural_key(sensor.device, sensor.sensor)


def explain(ranked: RankedSensor, predictions: Predictions | None, boundary: Boundary | None) -> str:
    """Why a sensor is in its group, in one or two sentences; with its readings, in more detail."""
    sensor = ranked.sensor
    readings = counted(sensor.readings, "reading")
    match ranked.attention:
        case Attention.UNSCORED | Attention.NO_MODEL:
            return f"{readings} not scored: {sensor.reason or 'no reason given'}."
        case Attention.REJECTED:
            return f"No reading: all of its rows were rejected ({sensor.rejected:,})."
        case Attention.SILENT | Attention.NO_READINGS as group:
            why = group.value[1]
            return f"{why[0].upper()}{why[1:]}."
        case Attention.NORMAL:
            all_of_them = "The only reading is" if sensor.readings == 1 else f"All {readings} are"
            return f"{all_of_them} normal." + _normal_range(boundary)
        case Attention.ALWAYS:
            return f"Every one of {readings} is anomalous." + _nothing_normal(boundary)
    parts = [f"{sensor.anomalies:,} of {readings} anomalous ({format_share(sensor.share)})"]
    if predictions is not None:
        parts.append(_pattern(predictions.anomalous))
        if boundary is not None:
            parts.append(_sides(predictions, boundary))
    text = ", ".join(part for part in parts if part) + "."
    return _ending(ranked.trailing, predictions) + text + _normal_range(boundary)


def _ending(trailing: int, predictions: Predictions | None) -> str:
    if trailing < NOW_READINGS:
        return ""
    if predictions is None:
        return f"Anomalous until the end: at least the last {trailing:,} readings. "
    since = str(np.datetime64(int(predictions.times[-trailing]), "ms"))[:19].replace("T", " ")
    return f"Anomalous until the end: the last {trailing:,} readings, since {since}. "


def _pattern(anomalous: np.ndarray) -> str:
    """Whether anomalies came one at a time or in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], anomalous.astype(np.int8), [0]])))
    lengths = edges[1::2] - edges[::2]
    longest = int(lengths.max(initial=0))
    if longest <= 1:
        return "one at a time" if len(lengths) > 1 else ""
    return f"at most {longest:,} in a row"


def side(predictions: Predictions, boundary: Boundary | None) -> str:
    """The side of the normal values on which nearly all anomalies lie; empty where there is no such side."""
    counts = _counts(predictions, boundary) if boundary else {}
    total = sum(counts.values())
    return next((where for where, count in counts.items() if total and count >= _NEARLY_ALL * total), "")


def _counts(predictions: Predictions, boundary: Boundary) -> dict[str, int]:
    if not boundary.normal:
        return {}
    values = predictions.values[predictions.anomalous]
    lows = [low for low, _ in boundary.normal]
    highs = [high for _, high in boundary.normal]
    above = 0 if None in highs else int((values >= max(high for high in highs if high is not None)).sum())
    below = 0 if None in lows else int((values <= min(low for low in lows if low is not None)).sum())
    return {"too high": above, "too low": below, "in between": len(values) - above - below}


def _sides(predictions: Predictions, boundary: Boundary) -> str:
    """On which side of the normal values the anomalies lie."""
    counts = _counts(predictions, boundary)
    total = f"{sum(counts.values()):,}"
    sides = [f"{count:,} {where}" for where, count in counts.items() if count]
    return " and ".join(sides) if len(sides) > 1 else sides[0].replace(total, "all") if sides else ""


def _normal_range(boundary: Boundary | None) -> str:
    if boundary is None or not boundary.normal:
        return ""
    about = "" if boundary.exact else "about "
    ranges = []
    for low, high in boundary.normal:
        if low is not None and high is not None:
            ranges.append(f"{about}{format_number(low)} to {format_number(high)}")
        elif low is not None:
            ranges.append(f"from {about}{format_number(low)} up")
        elif high is not None:
            ranges.append(f"up to {about}{format_number(high)}")
    return f" Normal: {' and '.join(ranges)}." if ranges else ""


def _nothing_normal(boundary: Boundary | None) -> str:
    if boundary is None or not boundary.exact:
        return " Check its model first: a good model calls most readings normal."
    if not boundary.normal:
        return " Its model calls no value near them normal: train it again before you check the sensor."
    return _normal_range(boundary)
