"""The status of a run at one moment: its record, what needs attention, and its steps.

Reading the status changes nothing. A run is concluded by its worker or by a sweep, because the alert searches
the log of the app, not the output of a command.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pipeline.engine import StepState, StepStatus
from pipeline.errors import UnknownRun
from pipeline.flow.context import Context
from pipeline.json_documents import to_json
from pipeline.runs.names import next_try
from pipeline.runs.record import RunRecord, RunState
from pipeline.runs.summary import SensorRow, Summary
from scoring.formats import NOT_SCORED, SensorStatus

_RESTART = "the next sweep restarts it, or run python -m pipeline sweep"
_LOST = f"its worker or job is lost: {_RESTART}"
_NOT_STARTED = f"no worker or job has started it yet: a slow machine may still do so; if not, {_RESTART}"

LANDINGS_STAY_CLAIMED = "its landings stay claimed: python -m pipeline submit NAME --again scores them"

URGENCY = (StepState.FAILED, StepState.RUNNING, StepState.CANCELED, StepState.WAITING, StepState.SUCCEEDED)
"""States of steps, the most important first."""


@dataclass(frozen=True, slots=True)
class View:
    """A run and its steps at one moment."""

    record: RunRecord
    steps: list[StepStatus]
    lost: bool = False
    """It has not finished, but has no worker or job."""
    recorded: bool = True
    """Whether its record has this state; otherwise the engine reports it, and the next sweep records it."""

    @property
    def state(self) -> RunState:
        """The state of the run."""
        return self.record.state

    def to_json(self) -> dict[str, Any]:
        """Run and steps for scripts."""
        return {**self.record.to_json(), "lost": self.lost, "steps": to_json(self.steps)}

    @property
    def warning(self) -> str:
        """Why the run will not finish by itself, or an empty text; one that has not begun still may."""
        if not self.lost:
            return ""
        return _NOT_STARTED if self.state is RunState.SUBMITTED else _LOST

    def line(self) -> str:
        """The status in one line."""
        counts = Counter(step.state for step in self.steps)
        steps = ", ".join(f"{counts[state]:,} {state}" for state in URGENCY if counts[state])
        but = f", but {self.warning}" if self.warning else ""
        return f"{self.record.run}: {self.state}" + (f" ({steps})" if steps else "") + but


def view_run(context: Context, run: str) -> View:
    """The status of a run, as its engine reports it where the record is behind.

    Raises:
        UnknownRun: there is no such run.
        EngineError: its engine does not respond.
    """
    record = context.runs.load(run)
    lost, recorded = False, True
    if record.state in {RunState.SUBMITTED, RunState.RUNNING}:
        context.check_engine(record)
        status = context.engine.status(record)
        lost = status.lost
        if status.state is not record.state and record.state.leads_to(status.state):
            recorded = False
            record = replace(
                record,
                state=status.state,
                error=status.error,
                retry=status.retry,
                missing=status.missing,
                note=status.note,
                counts=status.counts,
            )
    steps = [] if record.state is RunState.PENDING else context.engine.steps(run)
    return View(record, steps, lost, recorded)


def needing_attention(summary: Summary) -> list[SensorRow]:
    """The sensors that were not scored, silent ones, then those with anomalies, most anomalies first."""
    unscored = [row for row in summary.sensors if row.status in NOT_SCORED]
    silent = [row for row in summary.sensors if row.status is SensorStatus.SILENT]
    anomalous = [row for row in summary.sensors if row.anomalies and row.status not in NOT_SCORED]
    return [
        *sorted(unscored, key=lambda row: (row.device, row.sensor)),
        *sorted(silent, key=lambda row: (row.device, row.sensor)),
        *sorted(anomalous, key=lambda row: (-row.anomalies, row.device, row.sensor)),
    ]


def follow_up(context: Context, record: RunRecord) -> str | None:
    """What the sweep does next about a finished run, or has done, or who can, in one line; else None."""
    if record.state is RunState.CANCELED:
        return LANDINGS_STAY_CLAIMED
    if not record.awaits_retry:
        return None
    if not context.runs.markers.exists(record.run):
        with suppress(UnknownRun):  # it was canceled
            again = context.runs.load(next_try(record.run))
            return f"{again.run} tried it again: {again.state}"
        return None
    if record.tries >= context.settings.max_tries:
        return "no try is left: the next sweep records that it has failed for good"
    what = f"what is missing ({record.missing_count})" if record.missing else "everything again"
    return f"{next_try(record.run)} scores {what}; the next sweep submits it"
