"""Which sensors deserve attention, in which order, and why, in words an operator reads."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Self

import numpy as np

from scoring.report.boundary import Boundary
from scoring.report.folder import Predictions, Sensor
from scoring.report.formatting import number, percent

_DIGITS = re.compile(r"([0-9]+)")

NOW_READINGS = 5
"""A sensor is anomalous at the end when so many readings, the last ones, are anomalies."""

_NEARLY_ALL = 0.9


class Attention(Enum):
    """Groups of sensors; the first deserves attention most. Value: name, and what it means."""

    UNSCORED = "Not scored", "readings came and there is a model, but scoring failed"
    NOW = "Anomalous at the end", f"the last {NOW_READINGS} readings or more are all anomalies"
    ALWAYS = "Every reading anomalous", "the model calls nothing that it saw normal"
    SOME = "Some anomalies", "at least one reading is an anomaly"
    NO_MODEL = "No model", "readings came, but no model is there to score them"
    NORMAL = "Normal", "every reading is normal"
    SILENT = "No readings", "a model is there, but no reading came"

    @classmethod
    def of(cls, sensor: Sensor, trailing: int) -> Self:
        """The group of a sensor whose last `trailing` readings are anomalies."""
        by_status = {"no-model": "NO_MODEL", "no-readings": "SILENT", "scored": ""}
        if (name := by_status.get(sensor.status, "UNSCORED")) or not sensor.readings:
            return cls[name or "SILENT"]
        if not sensor.anomalies:
            return cls["NORMAL"]
        if sensor.anomalies == sensor.readings >= NOW_READINGS:
            return cls["ALWAYS"]
        return cls["NOW" if trailing >= NOW_READINGS else "SOME"]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A sensor, its group, and how many readings at its end are anomalies."""

    sensor: Sensor
    attention: Attention
    trailing: int


_PLACE = {attention: place for place, attention in enumerate(Attention)}


def order(ranked: Ranked) -> tuple[int, float, tuple[tuple[bool, int, str], ...]]:
    """Sorts sensors: by group, then by share of anomalies, then by name."""
    sensor = ranked.sensor
    return _PLACE[ranked.attention], -sensor.share, natural(sensor.device, sensor.sensor)


def natural(*texts: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorts "pump-2" before "pump-10", and numbers before words."""
    parts = (part for text in texts for part in (*_DIGITS.split(text), ""))
    return tuple((False, int(part), "") if _DIGITS.fullmatch(part) else (True, 0, part) for part in parts)


def why(ranked: Ranked, predictions: Predictions | None, boundary: Boundary | None) -> str:
    """One sensor's story in a sentence or two; the readings tell more where they are at hand."""
    sensor = ranked.sensor
    match ranked.attention:
        case Attention.UNSCORED | Attention.NO_MODEL:
            return f"{_readings(sensor.readings)} not scored: {sensor.reason or 'no reason was given'}."
        case Attention.SILENT:
            return "A model is there, but no reading came."
        case Attention.NORMAL:
            all_of_them = (
                "The only reading is" if sensor.readings == 1 else f"All {sensor.readings:,} readings are"
            )
            return f"{all_of_them} normal." + _normal_range(boundary)
        case Attention.ALWAYS:
            return f"Every one of {_readings(sensor.readings)} is anomalous." + _nothing_normal(boundary)
    parts = [f"{sensor.anomalies:,} of {_readings(sensor.readings)} anomalous ({percent(sensor.share)})"]
    if predictions is not None:
        parts.append(_pattern(predictions.anomalous))
        if boundary is not None:
            parts.append(_sides(predictions, boundary))
    text = ", ".join(part for part in parts if part) + "."
    return _ending(ranked.trailing, predictions) + text + _normal_range(boundary)


def _readings(count: int) -> str:
    return f"{count:,} reading{'' if count == 1 else 's'}"


def _ending(trailing: int, predictions: Predictions | None) -> str:
    if trailing < NOW_READINGS:
        return ""
    if predictions is None:
        return "Anomalous until the end: at least the last " + f"{trailing:,} readings. "
    since = str(np.datetime64(int(predictions.times[-trailing]), "ms"))[:19].replace("T", " ")
    return f"Anomalous until the end: the last {trailing:,} readings, since {since}. "


def _pattern(anomalous: np.ndarray) -> str:
    """Whether anomalies came one by one or in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], anomalous.astype(np.int8), [0]])))
    lengths = edges[1::2] - edges[::2]
    longest = int(lengths.max(initial=0))
    if longest <= 1:
        return "one at a time" if len(lengths) > 1 else ""
    return f"at most {longest:,} in a row"


def side(predictions: Predictions, boundary: Boundary | None) -> str:
    """The side of what is normal on which nearly all anomalies lie; nothing where there is no such side."""
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
    """On which side of what is normal the anomalies lie."""
    counts = _counts(predictions, boundary)
    total = f"{sum(counts.values()):,}"
    sides = [f"{count:,} {where}" for where, count in counts.items() if count]
    return " and ".join(sides) if len(sides) > 1 else sides[0].replace(total, "all") if sides else ""


def _normal_range(boundary: Boundary | None) -> str:
    if boundary is None or not boundary.normal:
        return ""
    about = "" if boundary.exact else "about "
    stretches = []
    for low, high in boundary.normal:
        if low is not None and high is not None:
            stretches.append(f"{about}{number(low)} to {number(high)}")
        elif low is not None:
            stretches.append(f"from {about}{number(low)} up")
        elif high is not None:
            stretches.append(f"up to {about}{number(high)}")
    return f" Normal: {' and '.join(stretches)}." if stretches else ""


def _nothing_normal(boundary: Boundary | None) -> str:
    if boundary is None or not boundary.exact:
        return " Check its model first: a model that fits calls most readings normal."
    if not boundary.normal:
        return " Its model calls no value near them normal: train it again before looking at the sensor."
    return _normal_range(boundary)
