"""How a run stands: its record and its steps at one moment."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pipeline.engine import StepState, StepStatus
from pipeline.errors import IllegalTransition
from pipeline.flow.context import Context
from pipeline.json_documents import to_json
from pipeline.pages.index import renew
from pipeline.runs.record import RunRecord, RunState

LOST = "nobody works on it: the next sweep begins it again, python -m pipeline sweep does so now"

URGENCY = (StepState.FAILED, StepState.RUNNING, StepState.CANCELED, StepState.WAITING, StepState.SUCCEEDED)
"""States of steps, in the order in which people want to see them."""


@dataclass(frozen=True, slots=True)
class View:
    """A run and its steps at one moment."""

    record: RunRecord
    steps: list[StepStatus]
    lost: bool = False
    """It is not over, and nobody works on it."""

    @property
    def state(self) -> RunState:
        """How the run stands."""
        return self.record.state

    def to_json(self) -> dict[str, Any]:
        """Run and steps as scripts read them."""
        return {**self.record.to_json(), "lost": self.lost, "steps": to_json(self.steps)}

    def line(self) -> str:
        """Where it stands, in one line."""
        counts = Counter(step.state for step in self.steps)
        told = ", ".join(f"{counts[state]:,} {state}" for state in URGENCY if counts[state])
        lost = f", but {LOST}" if self.lost else ""
        return f"{self.record.run}: {self.state}" + (f" ({told})" if told else "") + lost


def look(context: Context, run: str) -> View:
    """A run as it stands; where the engine knows better than the record, the record is brought up to it.

    Raises:
        UnknownRun: there is no such run.
        EngineError: its engine cannot be asked.
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
            except IllegalTransition:  # somebody else was faster
                record = context.runs.load(run)
            if record.state.final:
                renew(context.store, context.settings.late_sweep)
    return View(record, [] if record.state is RunState.PENDING else context.engine.steps(run), lost)
