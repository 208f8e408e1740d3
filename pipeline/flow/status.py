"""The status of a run: its record and its steps at one moment."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pipeline.engine import StepState, StepStatus
from pipeline.errors import IllegalTransition
from pipeline.flow.context import Context
from pipeline.json_documents import to_json
from pipeline.pages.index import update_index
from pipeline.runs.record import RunRecord, RunState

LOST = "its worker or job is lost: the next sweep restarts it, or run python -m pipeline sweep"

URGENCY = (StepState.FAILED, StepState.RUNNING, StepState.CANCELED, StepState.WAITING, StepState.SUCCEEDED)
"""States of steps, the most important first."""


@dataclass(frozen=True, slots=True)
class View:
    """A run and its steps at one moment."""

    record: RunRecord
    steps: list[StepStatus]
    lost: bool = False
    """It has not finished, but has no worker or job."""

    @property
    def state(self) -> RunState:
        """The state of the run."""
        return self.record.state

    def to_json(self) -> dict[str, Any]:
        """Run and steps for scripts."""
        return {**self.record.to_json(), "lost": self.lost, "steps": to_json(self.steps)}

    def line(self) -> str:
        """The status in one line."""
        counts = Counter(step.state for step in self.steps)
        steps = ", ".join(f"{counts[state]:,} {state}" for state in URGENCY if counts[state])
        lost = f", but {LOST}" if self.lost else ""
        return f"{self.record.run}: {self.state}" + (f" ({steps})" if steps else "") + lost


def look(context: Context, run: str) -> View:
    """The status of a run; if the engine has a later state than the record, the record is updated.

    Raises:
        UnknownRun: there is no such run.
        EngineError: its engine does not respond.
    """
    record = context.runs.load(run)
    lost = False
    if record.state in {RunState.SUBMITTED, RunState.RUNNING}:
        context.check_engine(record)
        status = context.engine.status(run)
        lost = status.lost
        if status.state is not record.state and record.state.leads_to(status.state):
            try:
                record = context.runs.advance_to(record, status)
            except IllegalTransition:  # another process was faster
                record = context.runs.load(run)
            if record.state.final:
                update_index(context.store, context.settings.late_sweep)
    return View(record, [] if record.state is RunState.PENDING else context.engine.steps(run), lost)
