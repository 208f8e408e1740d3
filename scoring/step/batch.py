"""Scores one batch of readings: the part of each sensor, with its rows as CSV."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrow import from_numpy, strings, take
from scoring.csv_quoting import csv_text
from scoring.errors import ModelError
from scoring.keys import SensorKey
from scoring.models.files import LoadedModel
from scoring.models.svm import SvmDetector, predict_together
from scoring.readings.rows import Batch, as_texts
from scoring.step.days import DAYS, count_days
from scoring.step.episodes import ANOMALIES, anomalous
from scoring.step.predictions import format_rows

type FindModel = Callable[[SensorKey], LoadedModel | ModelError]
type ChosenModel = Callable[[SensorKey], LoadedModel | ModelError | None]
"""None for a sensor that is not to be scored."""

_TOGETHER = 8192
"""Readings that are predicted at once: their arrays fit into the processor's cache."""

_LABELS = strings(["0", "1"])
"""Texts of labels: writing them takes a third of the time of numbers."""


FACTS = np.dtype(
    [
        ("readings", np.int64),
        ("anomalies", np.int64),
        ("worst", np.float64),  # the lowest score
        ("lowest", np.float64),  # of its normal values; infinity where there is none
        ("highest", np.float64),
        ("first", np.int64),  # nanoseconds since 1970 in UTC
        ("last", np.int64),
        ("first_ts", object),  # the same two as texts from the file
        ("last_ts", object),
    ]
)
"""The facts on one sensor's readings."""


class ScoredBatch(NamedTuple):
    """A scored batch, with an entry for each of its selected sensors that has readings in it.

    Attributes:
        keys: the sensors.
        models: the model that scored each, or why there is none.
        facts: of `FACTS`; without a model, only the readings and their times are valid.
        days: the sensors' readings per day, rows of `DAYS`; a place is an index into `keys`.
        anomalies: rows of `ANOMALIES`, with the same places.
        rows: predictions as CSV, sensor by sensor.
        bounds: where each sensor's rows start in `rows`, and their end.
    """

    keys: list[SensorKey]
    models: list[LoadedModel | ModelError]
    facts: np.ndarray
    days: np.ndarray
    anomalies: np.ndarray
    rows: memoryview
    bounds: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The sensors to score and their readings, sensor by sensor, those of a sensor in their order.

    Part i is `order[bounds[i]:bounds[i + 1]]`, which are rows of the batch; no part is empty.
    """

    keys: list[SensorKey]
    models: list[LoadedModel | ModelError]
    forms: list[tuple[object, ...]]
    """What detectors that can predict together have in common; empty for one that cannot."""
    order: np.ndarray
    bounds: np.ndarray


def score_batch(batch: Batch, model_of: ChosenModel) -> ScoredBatch:
    """Score the readings of the sensors that are to be scored."""
    parts = _split(batch, model_of)
    facts = np.empty(len(parts.keys), FACTS)
    if not parts.keys:
        return ScoredBatch([], [], facts, np.empty(0, DAYS), np.empty(0, ANOMALIES), memoryview(b""), [0])
    values = batch.values[parts.order]
    labels, scores, failures = _predict(parts, values)
    ts, times = take(batch.ts, parts.order), batch.times[parts.order]
    firsts, lasts = _extremes(times, parts.bounds)
    facts["readings"] = np.diff(parts.bounds)
    facts["anomalies"] = np.add.reduceat(labels, parts.bounds[:-1], dtype=np.int64)
    facts["worst"] = np.minimum.reduceat(scores, parts.bounds[:-1])
    facts["lowest"] = np.minimum.reduceat(np.where(labels, np.inf, values), parts.bounds[:-1])
    facts["highest"] = np.maximum.reduceat(np.where(labels, -np.inf, values), parts.bounds[:-1])
    facts["first"], facts["last"] = times[firsts], times[lasts]
    for name, extremes in (("first_ts", firsts), ("last_ts", lasts)):
        facts[name] = as_texts(take(ts, extremes)).to_pylist()
    places = np.repeat(np.arange(len(parts.keys), dtype=np.int32), np.diff(parts.bounds))
    rows, bounds = _format(parts, ts, take(batch.value, parts.order), labels, scores, places=places)
    models = [failures.get(i, model) for i, model in enumerate(parts.models)]
    days, anomalies = count_days(places, times, labels), anomalous(places, times, values, labels, scores)
    return ScoredBatch(parts.keys, models, facts, days, anomalies, rows, bounds.tolist())


def _split(batch: Batch, model_of: ChosenModel) -> _Parts:
    """The parts of a batch; parts whose detectors can predict together are next to each other."""
    found = map(model_of, batch.keys)
    models = {i: model for i, model in enumerate(found) if model is not None}
    forms = {i: _form(model) for i, model in models.items()}
    chosen = sorted(models, key=forms.__getitem__)
    places = np.full(len(batch.keys), len(chosen), batch.codes.dtype)  # the others come last
    places[chosen] = np.arange(len(chosen))
    codes = places[batch.codes]
    bounds = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=len(chosen))[: len(chosen)], out=bounds[1:])
    order = np.argsort(codes, kind="stable")[: bounds[-1]]
    return _Parts(
        keys=[batch.keys[i] for i in chosen],
        models=[models[i] for i in chosen],
        forms=[forms[i] for i in chosen],
        order=order,
        bounds=bounds,
    )


def _predict(parts: _Parts, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[int, ModelError]]:
    """Labels and scores of all `values`, and the parts that failed."""
    labels, scores = np.zeros(len(values), np.uint8), np.zeros(len(values))
    failures: dict[int, ModelError] = {}
    bounds = parts.bounds.tolist()
    for first, last in _groups(parts, bounds):
        rows = slice(bounds[first], bounds[last])
        model = parts.models[first]
        try:
            if isinstance(model, ModelError):
                failures[first] = model
            elif last - first == 1:
                labels[rows], scores[rows] = model.detector.predict(values[rows])
            else:
                detectors = [detector for detector in map(_svm, parts.models[first:last]) if detector]
                sizes = np.diff(parts.bounds[first : last + 1]).tolist()
                labels[rows], scores[rows] = predict_together(detectors, sizes, values[rows])
        except ModelError as error:
            failures[first] = error
    return labels, scores, failures


def _groups(parts: _Parts, bounds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges of parts that are predicted at once."""
    first, forms = 0, parts.forms
    for i, form in enumerate(forms):
        last = i + 1
        if last == len(forms) or not form or forms[last] != form or bounds[last] - bounds[first] >= _TOGETHER:
            yield first, last
            first = last


def _svm(model: LoadedModel | ModelError) -> SvmDetector | None:
    if isinstance(model, LoadedModel) and isinstance(model.detector, SvmDetector):
        return model.detector
    return None


def _form(model: LoadedModel | ModelError) -> tuple[object, ...]:
    detector = _svm(model)
    return detector.form if detector else ()


def _format(
    parts: _Parts,
    ts: pa.Array,
    value: pa.Array,
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    places: np.ndarray,
) -> tuple[memoryview, np.ndarray]:
    devices = [csv_text(key.device) for key in parts.keys]
    sensors = [csv_text(key.sensor) for key in parts.keys]
    columns = (
        as_texts(ts),
        take(strings(devices), places),
        take(strings(sensors), places),
        as_texts(value),
        take(_LABELS, labels),
        as_texts(from_numpy(scores)),
    )
    return format_rows(columns, parts.bounds, quoted=any('"' in text for text in (*devices, *sensors)))


def _extremes(times: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each part's earliest and latest times are, the first of equal ones."""
    rising = times[1:] > times[:-1]
    rising[bounds[1:-1] - 1] = True  # the order between parts does not matter
    if rising.all():
        return bounds[:-1], bounds[1:] - 1
    parts = list(pairwise(bounds.tolist()))
    firsts = [low + int(times[low:high].argmin()) for low, high in parts]
    lasts = [low + int(times[low:high].argmax()) for low, high in parts]
    return np.array(firsts), np.array(lasts)
