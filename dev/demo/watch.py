"""Runs as they go: a bar for each when a person is watching, plain lines when not."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from dev.demo.fleet import DemoError, Say
from pipeline.flow.context import Context
from pipeline.flow.status import look
from pipeline.runs.record import RunRecord
from pipeline.terminal.tables import watched

_LOOK_SECONDS = 0.3
_LINE_SECONDS = 3.0
_PATIENCE_SECONDS = 30 * 60.0

Show = Callable[[str, str, int, int], None]
"""Tell how a run stands: its name, its state, steps that are over, steps in all."""


def watch(context: Context, runs: Sequence[str], say: Say) -> list[RunRecord]:
    """Show these runs until all have ended; returns their records, in the same order."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    ended: dict[str, RunRecord] = {}
    with _bars() if watched() else _lines(say) as show:
        while len(ended) < len(runs):
            for run in runs:
                if run not in ended and (record := _look(context, run, show)) is not None:
                    ended[run] = record
            if time.monotonic() > deadline:
                late = ", ".join(sorted(set(runs) - set(ended)))
                raise DemoError(f"not over after {_PATIENCE_SECONDS / 60:g} minutes: {late}")
            time.sleep(_LOOK_SECONDS)
    return [ended[run] for run in runs]


def _look(context: Context, run: str, show: Show) -> RunRecord | None:
    """Show how a run stands; its record, once it is over."""
    view = look(context, run)
    show(run, view.state, sum(step.state.final for step in view.steps), len(view.steps))
    return view.record if view.state.final else None


@contextlib.contextmanager
def _bars() -> Iterator[Show]:
    from pipeline.terminal.progress import StepBars

    with StepBars() as bars:
        yield bars.show


@contextlib.contextmanager
def _lines(say: Say) -> Iterator[Show]:
    """A line for each change of a run's state, and now and then one for its steps."""
    told: dict[str, tuple[str, int, float]] = {}

    def show(run: str, state: str, over: int, steps: int) -> None:
        state_before, over_before, when = told.get(run, ("", 0, 0.0))
        if state == state_before and (over == over_before or time.monotonic() - when < _LINE_SECONDS):
            return
        told[run] = (state, over, time.monotonic())
        say(f"  {run}: {state}" + (f", {over} of {steps} steps over" if steps else ""))

    yield show
