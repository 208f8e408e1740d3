"""The interface of all engines, and the values that they return."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.clock import in_utc
from pipeline.published.documents import Documents, PublishedPipeline
from pipeline.runs.record import RunRecord, RunStatus


class StepState(StrEnum):
    """The state of a step."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether it is a final state."""
        return self not in {StepState.WAITING, StepState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """One step of a run: its state, times and error."""

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
    """Executes a published pipeline. Created by `pipeline.engines.open_engine`."""

    def processors(self) -> int:
        """The number of processors that the steps of one run can use together.

        Raises:
            EngineError: the engine does not respond.
        """

    def publish(self, documents: Documents) -> PublishedPipeline:
        """Prepare to run these documents. Repeating it changes nothing.

        Raises:
            PublishError: the engine refuses the documents.
            EngineError: the engine does not respond.
        """

    def submit(self, record: RunRecord, published: PublishedPipeline) -> None:
        """Accept the run and return at once. Submitting an accepted run again changes nothing.

        Raises:
            EngineError: the engine refuses the run, or does not respond.
        """

    def status(self, record: RunRecord) -> RunStatus:
        """The status of a run that its record says is active; of one that the engine does not know, that one.

        `record` is as the caller has just read it.
        """

    def steps(self, run: str) -> list[StepStatus]:
        """The steps in the pipeline's order; an empty list before the run has started."""

    def logs(self, run: str, known: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Name and current log of each step, except of those in `known`."""

    def cancel(self, record: RunRecord) -> None:
        """Stop a run whose cancellation is requested; its state becomes `canceled` when it has stopped.

        A run without a worker or job is canceled at once. `record` can be older than the one in storage.
        """
