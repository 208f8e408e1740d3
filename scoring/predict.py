"""Score readings: one sensor, a shard of the fleet, or all of it.

Batches are parsed, scored and formatted by a few threads (arrow and numpy release the interpreter's lock)
and written in the order in which they came.
"""

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from scoring.columns import from_numpy, strings, take
from scoring.errors import ModelError, ModelMissing, ReadingsError
from scoring.keys import SensorKey
from scoring.models import LoadedModel
from scoring.outcomes import SensorOutcome, SensorStatus, StepOutcome
from scoring.packs import ModelStore
from scoring.predictions import PredictionFiles, csv_text, format_rows
from scoring.readings import Batch, LandingStatus, Source, read_batches
from scoring.selection import OneSensor, Selection

THREADS = min(4, os.cpu_count() or 1)


class Watcher(Protocol):
    """Told of every batch that was read, and of every file as it ends."""

    def add(self, source: Source, batch: Batch) -> None: ...  # noqa: D102

    def ended(self, status: LandingStatus) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _SensorRows:
    """One sensor's part of a batch: how it went, its times in nanoseconds, and its rows as CSV."""

    key: SensorKey
    outcome: SensorOutcome
    first: int
    last: int
    rows: memoryview


class _Models:
    """Each sensor's model, or why it has none; loaded once, by whichever thread comes first."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[SensorKey, LoadedModel | ModelError] = {}

    def __call__(self, key: SensorKey) -> LoadedModel | ModelError:
        known = self._known.get(key)
        if known is None:
            with self._lock:
                try:
                    known = self._store.get(key)
                except ModelError as error:
                    known = error
                self._known[key] = known
        return known


def score(
    sources: Iterable[Source],
    store: ModelStore,
    selection: Selection,
    files: PredictionFiles,
    watcher: Watcher | None = None,
) -> StepOutcome:
    """Score the selected sensors' readings of all `sources` into `files`.

    A sensor that fails has no file and a reason; a source that cannot be read at all has a status that
    says so. Neither is in the way of the others.
    """
    models = _Models(store)
    total = _Total(files)
    landings: list[LandingStatus] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for source in sources:
            try:
                batches = _watched(source, watcher, pool)
                for rows in _in_order(pool, batches, models, selection):
                    total.add(rows)
                status = LandingStatus(source.name, "read", None)
            except ReadingsError as error:
                status = LandingStatus(source.name, "unreadable", str(error))
            landings.append(status)
            if watcher:
                watcher.ended(status)
    outcomes = total.outcomes
    if isinstance(selection, OneSensor) and not outcomes:
        outcomes[selection.key] = _outcome(selection.key, SensorStatus.NO_READINGS)
    return StepOutcome(selection.step, [outcomes[key] for key in sorted(outcomes)], landings)


class _Total:
    """Adds up the parts of each sensor and hands their rows to the files."""

    def __init__(self, files: PredictionFiles) -> None:
        self.outcomes: dict[SensorKey, SensorOutcome] = {}
        self._spans: dict[SensorKey, tuple[int, int]] = {}
        self._files = files

    def add(self, parts: list[_SensorRows]) -> None:
        for part in parts:
            so_far = self.outcomes.get(part.key)
            if part.outcome.status is SensorStatus.SCORED:
                if so_far is None or so_far.status is SensorStatus.SCORED:
                    self._files.append(part.key, part.rows)
            elif so_far is not None:
                self._files.drop(part.key)
            if so_far is None:
                self.outcomes[part.key] = part.outcome
                self._spans[part.key] = part.first, part.last
            else:
                self._merge(so_far, part)

    def _merge(self, so_far: SensorOutcome, part: _SensorRows) -> None:
        new = part.outcome
        first, last = self._spans[part.key]
        if part.first < first:
            so_far.first = new.first
        if part.last > last:
            so_far.last = new.last
        self._spans[part.key] = min(first, part.first), max(last, part.last)
        so_far.readings += new.readings
        if new.status is not SensorStatus.SCORED:
            so_far.status, so_far.reason = new.status, new.reason
        if so_far.status is not SensorStatus.SCORED or so_far.worst is None or new.worst is None:
            so_far.anomalies, so_far.worst, so_far.model = 0, None, None
        else:
            so_far.anomalies += new.anomalies
            so_far.worst = min(so_far.worst, new.worst)


def _watched(source: Source, watcher: Watcher | None, pool: ThreadPoolExecutor) -> Iterator[Batch]:
    for batch in read_batches(source, executor=pool):
        if watcher:
            watcher.add(source, batch)
        yield batch


def _in_order(
    pool: ThreadPoolExecutor, batches: Iterable[Batch], models: _Models, selection: Selection
) -> Iterator[list[_SensorRows]]:
    """Score batches in the pool, a few ahead; what came before an error is given out before it is raised."""
    waiting: deque[Future[list[_SensorRows]]] = deque()
    failure: ReadingsError | None = None
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator, None)
        except ReadingsError as error:
            batch, failure = None, error
        if batch is not None:
            waiting.append(pool.submit(_score_batch, batch, models, selection))
        while waiting and (batch is None or len(waiting) > THREADS):
            yield waiting.popleft().result()
        if batch is None:
            break
    if failure:
        raise failure


def _score_batch(batch: Batch, models: _Models, selection: Selection) -> list[_SensorRows]:
    covered = np.fromiter((selection.covers(key) for key in batch.keys), bool, len(batch.keys))
    order = np.argsort(batch.codes, kind="stable")
    if not covered.all():
        order = order[covered[batch.codes[order]]]
    codes = batch.codes[order]
    counts = np.bincount(codes, minlength=len(batch.keys))
    present = np.flatnonzero(counts)
    bounds = [0, *np.cumsum(counts[present]).tolist()]
    values, times = batch.values[order], batch.times[order]
    keys = [batch.keys[code] for code in present.tolist()]

    labels = np.zeros(len(codes), np.uint8)
    scores = np.zeros(len(codes))
    outcomes = []
    for key, low, high in zip(keys, bounds, bounds[1:], strict=False):
        outcome = _predict(key, models(key), values[low:high], labels[low:high], scores[low:high])
        outcomes.append(outcome)
    if not keys:
        return []

    ts = take(batch.ts, order)
    firsts, lasts = _extremes(times, bounds)
    for outcome, first, last in zip(
        outcomes, take(ts, firsts).to_pylist(), take(ts, lasts).to_pylist(), strict=True
    ):
        if outcome.status is SensorStatus.SCORED:
            outcome.first, outcome.last = first, last
    key_codes = np.repeat(np.arange(len(keys), dtype=np.int32), np.diff(bounds))
    devices = [csv_text(key.device) for key in keys]
    sensors = [csv_text(key.sensor) for key in keys]
    columns = (
        ts,
        take(strings(devices), key_codes),
        take(strings(sensors), key_codes),
        take(batch.value_text, order),
        from_numpy(labels),
        from_numpy(scores),
    )
    rows, ends = format_rows(columns, quoted=any('"' in text for text in (*devices, *sensors)))
    cuts = ends[bounds].tolist()
    first_times, last_times = times[firsts].tolist(), times[lasts].tolist()
    return [
        _SensorRows(key, outcomes[i], first_times[i], last_times[i], rows[cuts[i] : cuts[i + 1]])
        for i, key in enumerate(keys)
    ]


def _predict(
    key: SensorKey,
    model: LoadedModel | ModelError,
    values: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
) -> SensorOutcome:
    """Fill `labels` and `scores`, and say how it went."""
    if isinstance(model, LoadedModel):
        try:
            labels[:], scores[:] = model.detector.predict(values)
        except ModelError as error:
            model = error
    if isinstance(model, ModelError):
        status = SensorStatus.NO_MODEL if isinstance(model, ModelMissing) else SensorStatus.FAILED
        return _outcome(key, status, reason=str(model), readings=len(values))
    return _outcome(
        key,
        SensorStatus.SCORED,
        readings=len(values),
        anomalies=int(labels.sum()),
        worst=float(scores.min()),
        model=model.sha256,
    )


def _outcome(key: SensorKey, status: SensorStatus, **facts: object) -> SensorOutcome:
    return SensorOutcome(key.device, key.sensor, status, **facts)  # type: ignore[arg-type]


def _extremes(times: np.ndarray, bounds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where each part's earliest and latest times stand; readings may have come out of order."""
    parts = list(pairwise(bounds))
    firsts = [low + int(times[low:high].argmin()) for low, high in parts]
    lasts = [low + int(times[low:high].argmax()) for low, high in parts]
    return np.array(firsts), np.array(lasts)
