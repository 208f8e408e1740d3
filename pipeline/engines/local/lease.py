"""Background work of a worker: it renews its lease, reports step states and detects cancellation."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from pipeline.errors import ContainerMissing, LeaseHeld, NotFound, PipelineError
from pipeline.runs.markers import LEASE_SECONDS
from pipeline.storage.container import Lease

RENEW_SECONDS = LEASE_SECONDS / 3

logger = logging.getLogger("pipeline.worker")


class StopReason(StrEnum):
    """Why a worker stops before its run has finished."""

    CANCELED = "canceled"
    LOST = "its lease is lost, and another worker can have the run"
    TERMINATED = "the worker was terminated"


class Stop:
    """Set once, with the first reason to stop."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.why: StopReason | None = None

    def __call__(self, why: StopReason) -> None:
        """Stop, and remember why."""
        if self.why is None:
            self.why = why
            self.event.set()
            logger.info("stopping: %s", why)


@contextmanager
def renewed(lease: Lease, stop: Stop, every: float = RENEW_SECONDS) -> Iterator[Callable[[], None]]:
    """Renew `lease` inside this block; if that fails for too long, the lease is lost, and `stop` is set.

    Yields a function that renews it at once, unless that was done within the last `every` seconds.
    """
    last = _now()

    def renew() -> None:
        nonlocal last
        asked = _now()
        try:
            lease.renew()
            last = asked
        except (LeaseHeld, NotFound, ContainerMissing):
            stop(StopReason.LOST)
        except PipelineError as error:
            logger.warning("the lease could not be renewed: %s", error)
            if _now() - last > LEASE_SECONDS:
                stop(StopReason.LOST)

    def renew_old() -> None:
        if _now() - last > every:
            renew()

    with _repeatedly(renew, every):
        yield renew_old


def _now() -> float:
    """Seconds of a clock that continues while the machine sleeps, as the lease does."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@contextmanager
def reported(
    report: Callable[[], None], canceled: Callable[[], bool], stop: Stop, every: float
) -> Iterator[None]:
    """Report the state of the steps, and check for a cancellation, every few seconds inside this block."""

    def check() -> None:
        try:
            report()
            if canceled():
                stop(StopReason.CANCELED)
        except PipelineError as error:
            logger.warning("%s", error)

    with _repeatedly(check, every):
        yield


@contextmanager
def _repeatedly(action: Callable[[], None], seconds: float) -> Iterator[None]:
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
