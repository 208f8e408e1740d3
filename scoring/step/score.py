"""Scores readings: of one sensor, of a shard of the fleet, or of all of it.

A few threads parse, score and format batches (arrow and numpy release the interpreter's lock); the results
are written in the order of the batches.
"""

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from scoring.errors import ModelError
from scoring.formats import SensorStatus
from scoring.keys import SensorKey
from scoring.models.files import LoadedModel
from scoring.models.store import ModelStore
from scoring.readings.files import FoundLanding, Source
from scoring.readings.many_files import ReadBatch, read_files
from scoring.readings.rows import NO_REJECTS, Batch, concatenate
from scoring.step.batch import ChosenModel, FindModel, ScoredBatch, score_batch
from scoring.step.outcome import SensorOutcome, StepOutcome
from scoring.step.predictions import PredictionFiles
from scoring.step.selection import OneSensor, Selection
from scoring.step.sensor_limit import SensorLimit
from scoring.step.totals import Totals

_MOST_ROWS = 1 << 19
_ROWS_PER_SENSOR = 32
"""A batch with fewer readings of its sensors is merged with the next, up to `_MOST_ROWS`."""

THREADS = os.process_cpu_count() or 1
"""All processors: a step has a node of its own, or gets its share in PYTHON_CPU_COUNT."""


class Observer(Protocol):
    """Called with every batch that is read, and with every file when it is finished."""

    def add(self, read: ReadBatch) -> None: ...  # noqa: D102

    def add_landing(self, found: FoundLanding) -> None: ...  # noqa: D102


class ModelCache:
    """Each sensor's model, or why it has none; loaded once, by the first thread that needs it."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[SensorKey, LoadedModel | ModelError] = {}

    def keys(self) -> AbstractSet[SensorKey]:
        """The sensors that have a model."""
        return self._store.keys()

    def __call__(self, key: SensorKey) -> LoadedModel | ModelError:
        """One sensor's model, or why it has none."""
        known = self._known.get(key)
        if known is None:
            with self._lock:
                known = self._known.get(key) or self._load(key)
                self._known[key] = known
        return known

    def _load(self, key: SensorKey) -> LoadedModel | ModelError:
        try:
            return self._store.get(key)
        except ModelError as error:
            return error


def score(
    sources: Iterable[Source],
    models: FindModel,
    selection: Selection,
    files: PredictionFiles,
    *,
    limit: SensorLimit,
    observer: Observer | None = None,
    gap: float | None = None,
) -> StepOutcome:
    """Score the selected sensors' readings of all `sources` into `files`.

    The `limit` applies first: neither the outcome nor the `observer` has readings beyond it.
    A sensor that fails has a reason and no file; a source that cannot be read has a status of its own. The
    others are scored. Readings of an episode are up to `gap` seconds apart; None for the gap of each sensor's
    interval.
    """
    totals = Totals(files)
    landings: list[FoundLanding] = []
    with ThreadPoolExecutor(THREADS) as pool:
        read = _observed(read_files(sources, pool), limit, observer, landings)
        for scored in _in_order(pool, _merged(read), _Chosen(models, selection)):
            totals.add(scored)
    outcomes = totals.outcomes(gap)
    if isinstance(selection, OneSensor) and not outcomes:
        outcomes = [SensorOutcome(*selection.key, SensorStatus.NO_READINGS)]
    return StepOutcome(selection.step, outcomes, landings)


def _observed(
    read: Iterable[ReadBatch | FoundLanding],
    limit: SensorLimit,
    observer: Observer | None,
    landings: list[FoundLanding],
) -> Iterator[Batch]:
    for each in read:
        if isinstance(each, ReadBatch):
            listed = limit(each)
            if observer:
                observer.add(listed)
            yield listed.batch._replace(rejects=NO_REJECTS, rejected_on={})  # merged batches wait: many
        else:
            landings.append(each)
            if observer:
                observer.add_landing(each)


class _Chosen:
    """The models of the selected sensors; each sensor is looked up once."""

    def __init__(self, models: FindModel, selection: Selection) -> None:
        self._models, self._selection = models, selection
        self._known: dict[SensorKey, LoadedModel | ModelError | None] = {}

    def __call__(self, key: SensorKey) -> LoadedModel | ModelError | None:
        try:
            return self._known[key]
        except KeyError:
            found = self._models(key) if self._selection.covers(key) else None
            self._known[key] = found
            return found


def _merged(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Batches in which most sensors have a few readings each, merged into larger ones.

    What is done once for each sensor of a batch takes as long as dozens of its readings.
    """
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        rows = sum(len(each.codes) for each in waiting)
        if rows >= min(_MOST_ROWS, _ROWS_PER_SENSOR * max(len(each.keys) for each in waiting)):
            yield _whole(waiting)
            waiting = []
    if waiting:
        yield _whole(waiting)


def _whole(batches: list[Batch]) -> Batch:
    return batches[0] if len(batches) == 1 else concatenate(batches)


def _in_order(
    pool: ThreadPoolExecutor, batches: Iterable[Batch], model_of: ChosenModel
) -> Iterator[ScoredBatch]:
    """Score batches in the pool, a few ahead."""
    waiting: deque[Future[ScoredBatch]] = deque()
    for batch in batches:
        waiting.append(pool.submit(score_batch, batch, model_of))
        if len(waiting) >= THREADS:
            yield waiting.popleft().result()
    for future in waiting:
        yield future.result()
