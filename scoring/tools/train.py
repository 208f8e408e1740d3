"""One detector per sensor, learnt from its readings: StandardScaler and OneClassSVM.

Readings are read twice: first to count them per sensor, then to keep a limited number of each sensor, so that
the memory needed is known in advance. Of a sensor with more, every second, third, ... reading is kept.
"""

import math
import sys
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from scoring.errors import UsageError
from scoring.interrupts import HeldInterrupts
from scoring.keys import SensorKey
from scoring.printable import counted
from scoring.readings.rows import Batch

_TASK_SENSORS, _TASK_VALUES = 64, 1 << 16
"""The most that one task of a process contains: small enough to show progress, large enough to pay off."""

_TOLERANCE, _MOST_ROUNDS = 1e-9, 200_000
"""When OneClassSVM stops. With scikit-learn's 0.001 and a small nu it stops at its start, or soon after: the
solver's variables add up to nu * n only, and the detector calls most of what it learnt anomalies."""

_MARGIN = 1e-4
"""By how much scores are raised, as a share of their range."""

_MOST_FLAGGED = 0.05
"""Above this share, on top of nu, of anomalies among its own readings, a detector is useless."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How detectors are made; nu and gamma are OneClassSVM's, for values that are scaled to variance 1."""

    nu: float
    gamma: float
    min_readings: int

    def __post_init__(self) -> None:
        if not (0 < self.nu <= 1 and 0 < self.gamma < math.inf and self.min_readings >= 2):  # noqa: PLR2004
            raise ValueError(f"expected nu above 0, up to 1, gamma above 0, min_readings from 2: {self}")


@dataclass(frozen=True, slots=True)
class Trained:
    """The result for one sensor: its model is saved, or `skipped` is the reason why not."""

    key: SensorKey
    skipped: str | None


class Untrainable(ValueError):
    """A detector cannot be trained on these readings."""


def check_packages() -> None:
    """Check that what training needs is installed.

    Raises:
        UsageError: it is not.
    """
    if not all(map(find_spec, ("sklearn", "skops"))):
        raise UsageError(
            f"training needs scikit-learn and skops, which {sys.executable} does not have: run make setup "
            "and use .venv/bin/python, or in the folder of the project pip install '.[scoring,train]'"
        )


class Samples:
    """The values to learn from, at most `most` per sensor, evenly spaced over all of its readings."""

    def __init__(self, most: int) -> None:
        self.counts: dict[SensorKey, int] = {}
        self._most = most
        self._numbers: dict[SensorKey, int] = {}
        self._values = np.empty(0)
        self._starts = np.zeros(1, np.int64)
        self._strides = self._seen = np.empty(0, np.int64)

    def count(self, batches: Iterable[Batch]) -> None:
        """Count all readings of each sensor."""
        for batch in batches:
            found = np.bincount(batch.codes, minlength=len(batch.keys)).tolist()
            for key, count in zip(batch.keys, found, strict=True):
                self.counts[key] = self.counts.get(key, 0) + count

    def keep(self, batches: Iterable[Batch]) -> None:
        """Keep values of the same readings, read again."""
        counts = np.array([*self.counts.values()], np.int64)
        self._numbers = {key: number for number, key in enumerate(self.counts)}
        self._strides = np.maximum(1, -(-counts // self._most))
        self._starts = np.concatenate([[0], np.cumsum(-(-counts // self._strides))])
        self._values = np.empty(self._starts[-1])
        self._seen = np.zeros(len(counts), np.int64)
        for batch in batches:
            self._keep(batch)

    def of(self, key: SensorKey) -> np.ndarray:
        """The values kept of a sensor, in the order of its readings; float64, shape (n,)."""
        number = self._numbers[key]
        start, end = self._starts[number : number + 2]
        kept = -(-self._seen[number] // self._strides[number])
        return self._values[start : min(start + kept, end)]

    def _keep(self, batch: Batch) -> None:
        # Readings that were added to the files after the count have no room, and are left out.
        number = np.array([self._numbers.get(key, -1) for key in batch.keys], np.int64)[batch.codes]
        order = np.argsort(number, kind="stable")
        order = order[np.searchsorted(number[order], 0) :]
        number = number[order]
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        sizes = np.diff(starts, append=len(number))
        nth = self._seen[number] + np.arange(len(number)) - np.repeat(starts, sizes)
        self._seen[number[starts]] += sizes
        place, rest = np.divmod(nth, self._strides[number])
        place += self._starts[number]
        kept = (rest == 0) & (place < self._starts[number + 1])
        self._values[place[kept]] = batch.values[order[kept]]


def fit(values: np.ndarray, recipe: Recipe) -> Any:
    """A pipeline of StandardScaler and OneClassSVM, fitted to `values` of shape (n,).

    Raises:
        Untrainable: the values are too few, all the same, or give a useless detector.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import OneClassSVM

    if len(values) < recipe.min_readings:
        raise Untrainable(
            f"{counted(len(values), 'reading')}, fewer than {recipe.min_readings:,} (min-readings)"
        )
    svm = OneClassSVM(
        kernel="rbf",
        nu=recipe.nu,
        gamma=recipe.gamma,
        tol=_TOLERANCE * min(1.0, recipe.nu * len(values)),
        max_iter=_MOST_ROUNDS,
    )
    scaler = StandardScaler()
    detector = make_pipeline(scaler, svm)
    rows = values.reshape(-1, 1)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped at the last round: the detector is checked below
        try:
            detector.fit(rows)
        except ValueError as error:
            raise Untrainable("the readings are too large to be scaled") from error
        if scaler.scale_[0] != np.sqrt(scaler.var_[0]):
            # StandardScaler divides by 1 then: any other value is an anomaly, or none is, by the unit.
            raise Untrainable(
                f"all {len(values):,} readings are {values[0]:g} or nearly so: nothing to learn"
            )
        _widen(detector, rows)
        flagged = np.count_nonzero(detector.predict(rows) == -1)
    if flagged > (recipe.nu + _MOST_FLAGGED) * len(values):
        raise Untrainable(
            f"the detector would call {flagged:,} of the {len(values):,} readings it learnt anomalies; "
            "try another --nu or --gamma"
        )
    return detector


def _widen(detector: Any, rows: np.ndarray) -> None:
    """Move the boundary out by about 0.0001 standard deviations.

    Without this it runs through the outermost readings, and rounding decides what they, and all equal ones,
    are called.
    """
    scaler, svm = detector[0], detector[-1]
    beyond = [rows.min(axis=0) - scaler.scale_, rows.max(axis=0) + scaler.scale_]
    svm.intercept_ = svm.intercept_ + _MARGIN * np.ptp(detector.decision_function([*rows, *beyond]))
    svm._intercept_ = svm.intercept_.copy()
    svm.offset_ = -svm.intercept_


def train(samples: Samples, recipe: Recipe, models: Path, jobs: int) -> Iterator[Trained]:
    """Train a model per sensor and save it in `models`, `jobs` at a time; results come as they are done.

    Raises:
        OSError: a process was killed.
    """
    tasks = list(_tasks(samples))
    if jobs == 1 or len(tasks) < 2:  # noqa: PLR2004
        for task in tasks:
            yield from _train_some(_values(samples, task), recipe, models)
        return
    # Not forked: pyarrow's threads can hold locks that a forked process would wait for forever.
    context = get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), context, _end_tasks_on, (stop,))
    running: set[Future[list[Trained]]] = set()
    try:
        while tasks or running:
            while tasks and len(running) < 2 * jobs:  # more would only hold copies of their values
                with HeldInterrupts():  # a process starts, where one is missing
                    running.add(pool.submit(_train_some, _values(samples, tasks.pop(0)), recipe, models))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()
    except BrokenProcessPool as error:
        raise OSError("a training process was killed (out of memory?): try --jobs 1") from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _tasks(samples: Samples) -> Iterator[list[SensorKey]]:
    task: list[SensorKey] = []
    values = 0
    for key in sorted(samples.counts):
        task.append(key)
        values += len(samples.of(key))
        if len(task) == _TASK_SENSORS or values >= _TASK_VALUES:
            yield task
            task, values = [], 0
    if task:
        yield task


def _values(samples: Samples, keys: list[SensorKey]) -> list[tuple[SensorKey, np.ndarray]]:
    return [(key, samples.of(key)) for key in keys]


def _train_some(task: list[tuple[SensorKey, np.ndarray]], recipe: Recipe, models: Path) -> list[Trained]:
    from scoring.models.write import save_model

    done = []
    for key, values in task:
        if _stop is not None and _stop.is_set():
            break
        try:
            save_model(fit(values, recipe), models, key)
            done.append(Trained(key, None))
        except Untrainable as reason:
            done.append(Trained(key, str(reason)))
    return done


_stop: Event | None = None
"""In a process of the pool: set when nobody waits for its results any more."""


def _end_tasks_on(stop: Event) -> None:
    global _stop  # noqa: PLW0603 - a task cannot be given an event, only a process can
    _stop = stop
