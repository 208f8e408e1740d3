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

from scoring.errors import ModelError, ReadingsError
from scoring.formats import LandingStatus, SensorStatus
from scoring.keys import SensorKey
from scoring.models.files import LoadedModel
from scoring.models.store import ModelStore
from scoring.readings.files import Batch, FoundLanding, Source, read_batches
from scoring.step.batch import FindModel, ScoredBatch, score_batch
from scoring.step.outcome import SensorOutcome, StepOutcome
from scoring.step.predictions import PredictionFiles
from scoring.step.selection import OneSensor, Selection
from scoring.step.sensor_limit import SensorLimit
from scoring.step.totals import Totals

THREADS = os.process_cpu_count() or 1
"""All processors: a step has a node of its own, or gets its share in PYTHON_CPU_COUNT."""


class Observer(Protocol):
    """Called with every batch that is read, and with every file when it is finished."""

    def add(self, source: Source, batch: Batch) -> None: ...  # noqa: D102

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
) -> StepOutcome:
    """Score the selected sensors' readings of all `sources` into `files`.

    The `limit` applies first: neither the outcome nor the `observer` has readings beyond it.
    A sensor that fails has a reason and no file; a source that cannot be read has a status that says so. The
    others are scored.
    """
    totals = Totals(files)
    landings: list[FoundLanding] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for source in sources:
            try:
                batches = _observed(source, limit, observer, pool)
                for scored in _in_order(pool, batches, models, selection):
                    totals.add(scored)
                found = FoundLanding(source.name, LandingStatus.READ, None)
            except ReadingsError as error:
                found = FoundLanding(source.name, LandingStatus.UNREADABLE, str(error))
            landings.append(found)
            if observer:
                observer.add_landing(found)
    outcomes = totals.outcomes()
    if isinstance(selection, OneSensor) and not outcomes:
        outcomes = [SensorOutcome(*selection.key, SensorStatus.NO_READINGS)]
    return StepOutcome(selection.step, outcomes, landings)


def _observed(
    source: Source, limit: SensorLimit, observer: Observer | None, pool: ThreadPoolExecutor
) -> Iterator[Batch]:
    for batch in map(limit, read_batches(source, executor=pool)):
        if observer:
            observer.add(source, batch)
        yield batch


def _in_order(
    pool: ThreadPoolExecutor, batches: Iterable[Batch], models: FindModel, selection: Selection
) -> Iterator[ScoredBatch]:
    """Score batches in the pool, a few ahead; those before an error are returned before it is raised."""
    waiting: deque[Future[ScoredBatch]] = deque()
    failure: ReadingsError | None = None
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator, None)
        except ReadingsError as error:
            batch, failure = None, error
        if batch is not None:
            waiting.append(pool.submit(score_batch, batch, models, selection))
        while waiting and (batch is None or len(waiting) >= THREADS):
            yield waiting.popleft().result()
        if batch is None:
            break
    if failure:
        raise failure
