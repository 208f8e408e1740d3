"""The context that every operation needs: created once at the edge and passed along."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from pipeline.clock import utc_now
from pipeline.conclude import Conclusions
from pipeline.errors import EngineError, PublishError
from pipeline.flow.deferred import Deferred
from pipeline.runs import history, last
from pipeline.runs.landing import Landing
from pipeline.runs.record import RunRecord
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.storage.account import Store

if TYPE_CHECKING:
    from pipeline.engine import Engine
    from pipeline.published.documents import PublishedPipeline

FRESH = timedelta(seconds=5)
"""How long a value is reused before it is requested again."""


class Context:
    """Settings, storage, runs, the engine and the clock."""

    def __init__(
        self, settings: Settings, store: Store, engine: "Engine", clock: Callable[[], datetime]
    ) -> None:
        self.settings = settings
        self.store = store
        self.conclusions = Conclusions(settings, store, clock)
        self.runs = Runs(store, clock, self.conclusions.add_to_fleet)
        self.engine = engine
        self.clock = clock
        self.deferred = Deferred()
        self._published: _Recent[PublishedPipeline] = _Recent(clock)
        self._active: _Recent[int] = _Recent(clock)
        self._deferral: _Recent[None] = _Recent(clock)
        self._series: _Recent[dict[str, tuple[str, int]]] = _Recent(clock)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Create the context of the settings; it sends nothing yet."""
        from pipeline.engines import open_engine

        store = Store.connect(settings)
        return cls(settings, store, open_engine(settings, store, Runs(store, utc_now)), utc_now)

    def published(self) -> "PublishedPipeline":
        """The current published pipeline, as of a few seconds ago.

        Raises:
            NothingPublished: there is none.
            PublishError: it is published for another engine, or for this one by the first release.
        """
        from pipeline.published.publish import current

        published = self._published.get(lambda: current(self.store))
        if published.engine != self.settings.engine:
            raise PublishError(
                f"version {published.version} is published for the engine {published.engine}, and "
                f"SCORING_ENGINE is {self.settings.engine}: run python -m pipeline publish"
            )
        if published.engine == "local" and not published.lists_sensors:
            # A worker would refuse it, after the run has claimed its landings.
            raise PublishError(
                f"version {published.version} was published by an earlier release, and steps on this machine "
                "run the code of this one: run python -m pipeline publish; the next sweep scores "
                "the waiting landings"
            )
        return published

    def check_engine(self, record: RunRecord) -> None:
        """Check that this engine runs the run.

        Raises:
            EngineError: another engine runs it.
        """
        if record.engine not in {None, self.settings.engine}:
            raise EngineError(
                f"run {record.run} is on the engine {record.engine}, and SCORING_ENGINE is "
                f"{self.settings.engine}: set it back until the run has finished"
            )

    def acquire_slot(self) -> bool:
        """Acquire a slot for an active run, if one is free.

        Counts the active runs of a few seconds ago and the slots that this process has acquired since.
        Several hosts together can acquire a few more slots than there are.
        """
        slots = self.settings.max_active_runs
        return self._active.change(self._count_active, lambda count: count + 1 if count < slots else None)

    def release_slot(self) -> None:
        """Release a slot that is not needed."""
        self._active.change(self._count_active, lambda count: max(count - 1, 0))

    def fill_slots(self) -> None:
        """Let further landings wait until the active runs are counted again, to become one run."""
        self._active.change(self._count_active, lambda _: self.settings.max_active_runs)

    def last_of_series(self) -> dict[str, tuple[str, int]]:
        """The last run of each series of landings, and its number of sensors, as of a few seconds ago."""
        return self._series.get(lambda: history.last_of_series(self.store.runs))

    def defer(self, landing: Landing) -> None:
        """Let a landing wait; record that, unless this process recorded another a few seconds ago."""
        self.deferred.add(landing)
        self._deferral.get(lambda: last.note(self.store.runs, last.DEFERRAL))

    def _count_active(self) -> int:
        return sum(not marker.failed for marker in self.runs.markers.all())


class _Recent[Value]:
    """A value that is requested again only when it is a few seconds old; threads share it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[datetime, Value] | None = None

    def get(self, ask: Callable[[], Value]) -> Value:
        with self._lock:
            return self._fresh(ask)[1]

    def change(self, ask: Callable[[], Value], change: Callable[[Value], Value | None]) -> bool:
        """Replace the value by the result of `change`; False if that is None."""
        with self._lock:
            asked, value = self._fresh(ask)
            changed = change(value)
            if changed is not None:
                self._known = (asked, changed)
            return changed is not None

    def _fresh(self, ask: Callable[[], Value]) -> tuple[datetime, Value]:
        now = self._clock()
        if self._known is None or not timedelta(0) <= now - self._known[0] < FRESH:
            self._known = (now, ask())
        return self._known
