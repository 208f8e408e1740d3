"""Waits for runs and shows their progress: bars in a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from dev.demo.fleet import DemoError, Log
from pipeline.flow.context import Context
from pipeline.flow.status import View, view_run
from pipeline.terminal.tables import is_interactive

_POLL_SECONDS = 0.3
_LINE_SECONDS = 3.0
_TIMEOUT_SECONDS = 30 * 60.0

Show = Callable[[str, str, int, int], None]
"""Shows the progress of a run: its name, its state, finished steps, all steps."""


def wait_for_runs(context: Context, runs: Sequence[str], log: Log) -> list[View]:
    """Show these runs until all have finished; returns their last views in the same order."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    finished: dict[str, View] = {}
    with _bars() if is_interactive() else _lines(log) as show:
        while len(finished) < len(runs):
            for run in runs:
                if run not in finished and (view := _poll(context, run, show)) is not None:
                    finished[run] = view
            if time.monotonic() > deadline:
                late = ", ".join(sorted(set(runs) - set(finished)))
                raise DemoError(f"not finished after {_TIMEOUT_SECONDS / 60:g} minutes: {late}")
            time.sleep(_POLL_SECONDS)
    return [finished[run] for run in runs]


def _poll(context: Context, run: str, show: Show) -> View | None:
    """Show the progress of a run; returns the view once it has finished."""
    view = view_run(context, run)
    show(run, view.state, sum(step.state.final for step in view.steps), len(view.steps))
    return view if view.state.final else None


@contextlib.contextmanager
def _bars() -> Iterator[Show]:
    from pipeline.terminal.progress import StepBars

    with StepBars() as bars:
        yield bars.show


@contextlib.contextmanager
def _lines(log: Log) -> Iterator[Show]:
    """Log each change of a run's state, and its finished steps every few seconds."""
    shown: dict[str, tuple[str, int, float]] = {}

    def show(run: str, state: str, finished: int, steps: int) -> None:
        last_state, last_finished, when = shown.get(run, ("", 0, 0.0))
        recent = time.monotonic() - when < _LINE_SECONDS
        if state == last_state and (finished == last_finished or recent):
            return
        shown[run] = (state, finished, time.monotonic())
        log(f"  {run}: {state}" + (f", {finished} of {steps} steps finished" if steps else ""))

    yield show
