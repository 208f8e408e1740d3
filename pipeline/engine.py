"""What every engine offers, and the values that pass between an engine and the rest."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.clock import in_utc
from pipeline.published.documents import Documents, PublishedPipeline
from pipeline.runs.record import RunRecord, RunStatus


class StepState(StrEnum):
    """How a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether it never changes again."""
        return self not in {StepState.WAITING, StepState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """How one step of a run stands."""

    name: str
    state: StepState
    started: datetime | None = None
    ended: datetime | None = None
    tries: int = 0
    error: str | None = None
    """Why it failed, in one line."""

    def __post_init__(self) -> None:
        for name in ("started", "ended"):
            if (time := getattr(self, name)) is not None:
                object.__setattr__(self, name, in_utc(time))


class Engine(Protocol):
    """Executes a published pipeline. Made by `pipeline.engines.open_engine`."""

    def publish(self, documents: Documents) -> PublishedPipeline:
        """Get ready to run these documents; where it is ready already, nothing changes.

        Raises:
            PublishError: the documents are refused.
            EngineError: it cannot be asked.
        """

    def submit(self, record: RunRecord, published: PublishedPipeline) -> None:
        """Take the run, and return as soon as it is taken; one that is taken already stays as it is.

        Raises:
            EngineError: it is refused, or the engine cannot be asked.
        """

    def status(self, run: str) -> RunStatus:
        """How a run stands; `runs` has the record of what the engine does not know.

        Raises:
            UnknownRun: there is no such run.
        """

    def steps(self, run: str) -> list[StepStatus]:
        """How its steps stand, in the pipeline's order; none where it has not begun."""

    def logs(self, run: str, known: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Step by step, its name and what it has written so far; without the steps that are `known`."""

    def cancel(self, run: str) -> None:
        """Ask it to stop; it says `canceled` when it has. One that nobody works on is over at once."""
