"""One batch of readings, scored: each sensor's part of it, with its rows as CSV."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from scoring.columns import from_numpy, strings, take
from scoring.errors import ModelError, ModelMissing
from scoring.keys import SensorKey
from scoring.models import LoadedModel
from scoring.outcomes import SensorOutcome, SensorStatus
from scoring.predictions import csv_text, format_rows
from scoring.readings import Batch
from scoring.selection import Selection
from scoring.svm import SvmDetector, predict_together

type _Facts = tuple[int, int, str, str, float]
"""Of one part: readings, anomalies, first and last timestamp, worst score."""

type FindModel = Callable[[SensorKey], LoadedModel | ModelError]

_TOGETHER = 8192
"""Readings that are predicted at once: their arrays of numbers fit into the processor's cache."""

_LABELS = strings(["0", "1"])
"""Taken from here, labels are written in a third of the time that numbers take."""


class SensorRows(NamedTuple):
    """One sensor's part of a batch: how it went, its times in nanoseconds, and its rows as CSV."""

    key: SensorKey
    outcome: SensorOutcome
    first: int
    last: int
    rows: memoryview


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The sensors to score and their readings: one sensor's after the other's, each's as they came.

    Part i is `order[bounds[i]:bounds[i + 1]]`, which are rows of the batch; no part is empty.
    """

    keys: list[SensorKey]
    models: list[LoadedModel | ModelError]
    forms: list[tuple[object, ...]]
    """What detectors that can work together have in common; nothing for one that works alone."""
    order: np.ndarray
    bounds: np.ndarray


def score_batch(batch: Batch, model_of: FindModel, selection: Selection) -> list[SensorRows]:
    """Score the selected sensors' readings; one that fails has a reason, and rows that mean nothing."""
    parts = _split(batch, model_of, selection)
    if not parts.keys:
        return []
    labels, scores, failures = _predict(parts, batch.values[parts.order])
    ts, times = take(batch.ts, parts.order), batch.times[parts.order]
    firsts, lasts = _extremes(times, parts.bounds)
    facts = zip(
        np.diff(parts.bounds).tolist(),
        np.add.reduceat(labels, parts.bounds[:-1], dtype=np.int64).tolist(),
        take(ts, firsts).to_pylist(),
        take(ts, lasts).to_pylist(),
        np.minimum.reduceat(scores, parts.bounds[:-1]).tolist(),
        strict=True,
    )
    outcomes = [
        _failed(key, failures[i], fact[0]) if i in failures else _scored(key, parts.models[i], fact)
        for i, (key, fact) in enumerate(zip(parts.keys, facts, strict=True))
    ]
    rows, ends = _format(parts, ts, take(batch.value_text, parts.order), labels, scores)
    spans = pairwise(ends[parts.bounds].tolist())
    moments = zip(times[firsts].tolist(), times[lasts].tolist(), strict=True)
    return [
        SensorRows(key, outcome, first, last, rows[begin:end])
        for key, outcome, (first, last), (begin, end) in zip(
            parts.keys, outcomes, moments, spans, strict=True
        )
    ]


def _split(batch: Batch, model_of: FindModel, selection: Selection) -> _Parts:
    """The parts of a batch, those whose detectors can work together next to each other."""
    models = {i: model_of(key) for i, key in enumerate(batch.keys) if selection.covers(key)}
    forms = {i: _form(model) for i, model in models.items()}
    chosen = sorted(models, key=forms.__getitem__)
    places = np.full(len(batch.keys), len(chosen), batch.codes.dtype)  # those not chosen come last
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


def _scored(key: SensorKey, model: LoadedModel | ModelError, facts: _Facts) -> SensorOutcome:
    sha256 = model.sha256 if isinstance(model, LoadedModel) else None
    return SensorOutcome(key.device, key.sensor, SensorStatus.SCORED, None, *facts, sha256)


def _failed(key: SensorKey, error: ModelError, readings: int) -> SensorOutcome:
    status = SensorStatus.NO_MODEL if isinstance(error, ModelMissing) else SensorStatus.FAILED
    return SensorOutcome(key.device, key.sensor, status, reason=str(error), readings=readings)


def _format(
    parts: _Parts, ts: Any, value_text: Any, labels: np.ndarray, scores: np.ndarray
) -> tuple[memoryview, np.ndarray]:
    codes = np.repeat(np.arange(len(parts.keys), dtype=np.int32), np.diff(parts.bounds))
    devices = [csv_text(key.device) for key in parts.keys]
    sensors = [csv_text(key.sensor) for key in parts.keys]
    columns = (
        ts,
        take(strings(devices), codes),
        take(strings(sensors), codes),
        value_text,
        take(_LABELS, labels),
        from_numpy(scores),
    )
    return format_rows(columns, quoted=any('"' in text for text in (*devices, *sensors)))


def _extremes(times: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each part's earliest and latest times stand, the first of equal ones."""
    rising = times[1:] > times[:-1]
    rising[bounds[1:-1] - 1] = True  # from one part to the next they may do as they like
    if rising.all():
        return bounds[:-1], bounds[1:] - 1
    parts = list(pairwise(bounds.tolist()))
    firsts = [low + int(times[low:high].argmin()) for low, high in parts]
    lasts = [low + int(times[low:high].argmax()) for low, high in parts]
    return np.array(firsts), np.array(lasts)
