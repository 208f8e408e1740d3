"""What every use of the pipeline needs, made once at the edge and passed along."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pipeline.runs import Runs
from pipeline.settings import Settings
from pipeline.store import Store

if TYPE_CHECKING:
    from pipeline.engines.base import Engine, PublishedPipeline


@dataclass(frozen=True, slots=True)
class Context:
    """Settings, storage, runs and the engine; and the clock."""

    settings: Settings
    store: Store
    runs: Runs
    engine: "Engine"
    clock: Callable[[], datetime]

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Connect to what the settings name; nothing is sent yet."""
        from pipeline.engines import open_engine

        store = Store.connect(settings)
        runs = Runs(store, _utc_now)
        return cls(settings, store, runs, open_engine(settings, store, runs), _utc_now)

    def published(self) -> "PublishedPipeline":
        """The pipeline that is published now, as of a few seconds ago. Raises NothingPublished."""
        raise NotImplementedError

    def active_runs(self) -> int:
        """How many runs are under way, as of a few seconds ago and with what this process added since."""
        raise NotImplementedError


def _utc_now() -> datetime:
    return datetime.now(UTC)
