"""What every engine offers, and the values that pass between an engine and the rest."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.published.documents import Documents, PublishedPipeline
from pipeline.runs.record import RunRecord, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How a run stands, by what its engine knows."""

    state: RunState
    error: str | None = None
    """What went wrong, in one line."""
    retry: bool = False
    """Whether another try may help, where it failed."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The totals of its summary, where it has ended and they are known."""
    lost: bool = False
    """It is not over, and nobody works on it any more: submitting it again brings it back."""


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
