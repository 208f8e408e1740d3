"""What a worker does beside its work: it keeps its lease, and notices who wants it to stop."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from pipeline.errors import ContainerMissing, LeaseHeld, NotFound, PipelineError
from pipeline.runs.store import LEASE_SECONDS
from pipeline.storage.container import Lease

RENEW_SECONDS = LEASE_SECONDS / 3

logger = logging.getLogger("pipeline.worker")


class Why(StrEnum):
    """Why a worker stops before its run is over."""

    CANCELED = "canceled"
    LOST = "its lease is lost, another worker may have the run"
    ENDED = "the worker was asked to end"


class Stop:
    """Set once, by whoever has the first reason."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.why: Why | None = None

    def __call__(self, why: Why) -> None:
        """Stop, and remember why."""
        if self.why is None:
            self.why = why
            self.event.set()
            logger.info("stopping: %s", why)


@contextmanager
def held(lease: Lease, stop: Stop, every: float = RENEW_SECONDS) -> Iterator[Callable[[], None]]:
    """Renew `lease` inside this block; where that fails for too long it is lost, and `stop` is set.

    Hands out what renews it at once.
    """
    last = time.monotonic()

    def renew() -> None:
        nonlocal last
        asked = time.monotonic()
        try:
            lease.renew()
            last = asked
        except (LeaseHeld, NotFound, ContainerMissing):
            stop(Why.LOST)
        except PipelineError as error:
            logger.warning("the lease could not be renewed: %s", error)
            if time.monotonic() - last > LEASE_SECONDS:
                stop(Why.LOST)

    with _repeatedly(renew, every):
        yield renew


@contextmanager
def told(tell: Callable[[], None], canceled: Callable[[], bool], stop: Stop, every: float) -> Iterator[None]:
    """Tell how things stand, and look whether the run was canceled, now and then inside this block."""

    def look() -> None:
        try:
            tell()
            if canceled():
                stop(Why.CANCELED)
        except PipelineError as error:
            logger.warning("%s", error)

    with _repeatedly(look, every):
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
