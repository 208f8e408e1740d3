"""One detector per sensor, learnt from its readings: StandardScaler and OneClassSVM.

Readings are read twice, first to count them per sensor and then to keep them, at most so many of each sensor:
memory is known before any is taken. Of a sensor with more, every second, third, ... reading is kept.
"""

import signal
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from scoring.keys import SensorKey
from scoring.readings.files import Batch

_TASK_SENSORS, _TASK_VALUES = 64, 1 << 16
"""What a process is handed at once, at most: little enough to show progress, enough to be worth it."""

_TOLERANCE, _MOST_ROUNDS = 1e-9, 200_000
"""When OneClassSVM stops. With scikit-learn's 0.001 and a small nu it stops where it began, or soon after:
the solver's variables add up to nu * n only, and the detector calls most of what it learnt anomalies."""

_HAIR = 1e-4
"""By how much scores are raised, as a share of how far they spread."""

_MOST_FLAGGED = 0.05
"""A share, on top of nu, of its own readings above which a detector has learnt nothing."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How detectors are made; nu and gamma are OneClassSVM's, for values that are scaled to variance 1."""

    nu: float
    gamma: float
    min_readings: int


@dataclass(frozen=True, slots=True)
class Trained:
    """What became of one sensor: its model is saved, or `skipped` tells why not."""

    key: SensorKey
    skipped: str | None


class Untrainable(ValueError):
    """These readings do not make a detector."""


class Samples:
    """The values to learn from, at most `most` of a sensor, evenly spaced over all that it has."""

    def __init__(self, most: int) -> None:
        self.counts: dict[SensorKey, int] = {}
        self._most = most
        self._numbers: dict[SensorKey, int] = {}
        self._values = np.empty(0)
        self._starts = np.zeros(1, np.int64)
        self._strides = self._seen = np.empty(0, np.int64)

    def count(self, batches: Iterable[Batch]) -> None:
        """Learn, from all readings, how many each sensor has."""
        for batch in batches:
            found = np.bincount(batch.codes, minlength=len(batch.keys)).tolist()
            for key, count in zip(batch.keys, found, strict=True):
                self.counts[key] = self.counts.get(key, 0) + count

    def keep(self, batches: Iterable[Batch]) -> None:
        """Keep values, from the same readings once more."""
        counts = np.array([*self.counts.values()], np.int64)
        self._numbers = {key: number for number, key in enumerate(self.counts)}
        self._strides = np.maximum(1, -(-counts // self._most))
        self._starts = np.concatenate([[0], np.cumsum(-(-counts // self._strides))])
        self._values = np.empty(self._starts[-1])
        self._seen = np.zeros(len(counts), np.int64)
        for batch in batches:
            self._keep(batch)

    def of(self, key: SensorKey) -> np.ndarray:
        """The values kept of a sensor, in the order in which they came; float64, shape (n,)."""
        number = self._numbers[key]
        start, end = self._starts[number : number + 2]
        kept = -(-self._seen[number] // self._strides[number])
        return self._values[start : min(start + kept, end)]

    def _keep(self, batch: Batch) -> None:
        # What was added to the files since they were counted has no room, and is left out.
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
    """A pipeline of StandardScaler and OneClassSVM that has learnt `values` of shape (n,).

    Raises:
        Untrainable: the values are too few, all the same, or tell the detector nothing.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import OneClassSVM

    if len(values) < recipe.min_readings:
        raise Untrainable(f"{len(values):,} readings are fewer than --min-readings {recipe.min_readings:,}")
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
        warnings.simplefilter("ignore")  # that it stopped at the last round: how good it is, is seen below
        try:
            detector.fit(rows)
        except ValueError as error:
            raise Untrainable("the readings are too large to be scaled") from error
        if scaler.scale_[0] != np.sqrt(scaler.var_[0]):
            # StandardScaler divides by 1 then: any other value is an anomaly, or none is, by their unit.
            raise Untrainable(
                f"all {len(values):,} readings are {values[0]:g}, or as good as: nothing to learn"
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
    """Move the boundary out by a hair, about 0.0001 standard deviations.

    It runs through the outermost readings themselves, which rounding then calls one thing or the other, and
    with them all that are equal.
    """
    scaler, svm = detector[0], detector[-1]
    beyond = [rows.min(axis=0) - scaler.scale_, rows.max(axis=0) + scaler.scale_]
    svm.intercept_ = svm.intercept_ + _HAIR * np.ptp(detector.decision_function([*rows, *beyond]))
    svm._intercept_ = svm.intercept_.copy()
    svm.offset_ = -svm.intercept_


def train(samples: Samples, recipe: Recipe, models: Path, jobs: int) -> Iterator[Trained]:
    """Train a model per sensor and save it in `models`, `jobs` at a time; they are told as they are done.

    Raises:
        OSError: a process was ended from outside.
    """
    tasks = list(_tasks(samples))
    if jobs == 1 or len(tasks) == 1:
        for task in tasks:
            yield from _train_some(_values(samples, task), recipe, models)
        return
    # Not forked: pyarrow's threads may hold locks that a forked process would wait for forever.
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn"), _leave_interrupts_to_the_parent)
    running: set[Future[list[Trained]]] = set()
    try:
        while tasks or running:
            while tasks and len(running) < 2 * jobs:  # more would only hold copies of their values
                running.add(pool.submit(_train_some, _values(samples, tasks.pop(0)), recipe, models))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()
    except BrokenProcessPool as error:
        raise OSError("a training process was ended from outside (out of memory?): try --jobs 1") from error
    finally:
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
    from scoring.models import save_model

    done = []
    for key, values in task:
        try:
            save_model(fit(values, recipe), models, key)
            done.append(Trained(key, None))
        except Untrainable as reason:
            done.append(Trained(key, str(reason)))
    return done


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
