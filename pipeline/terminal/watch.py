"""Shows a run: its state and its steps, once or until it finishes."""

import sys
import time
from collections.abc import Callable
from datetime import datetime

from pipeline.engine import Engine, StepStatus
from pipeline.flow.context import Context
from pipeline.flow.status import URGENCY, View, needing_attention, view_run
from pipeline.runs.summary import RejectsRow, Summary
from pipeline.terminal.tables import format_duration, format_time, is_interactive, show_table
from scoring.formats import SUMMARY_CSV
from scoring.printable import printable

INTERVAL = 1.0
"""Seconds between two updates."""

_ALWAYS_SHOWN = frozenset({"readings", "scored", "rejected", "anomalies", "sensors"})
"""Counts that say something where they are 0."""

MOST_SENSORS = 20
"""Up to this many sensors that need attention are listed."""


def show(view: View, now: datetime, *, summary: Summary | None = None, next_try: str | None = None) -> None:
    """Print a run for people: sensors that need attention, then steps: failed ones first, then the slowest.

    `next_try` says what the sweep does next about it.
    """
    record = view.record
    print(f"run        {record.run}")
    print(f"state      {record.state}" + (f": {printable(record.error)}" if record.error else ""))
    if view.warning:
        print(f"           {view.warning}")
    if not view.recorded:
        print("           as its engine reports; the next sweep records it")
    if record.note:
        print(f"note       {printable(record.note)}")
    if next_try:
        print(f"next       {printable(next_try)}")
    print(f"cause      {printable(record.cause.sentence)}")
    print(f"published  {record.published}")
    print(f"created    {format_time(record.created)} UTC")
    if record.started:  # from its creation, as in `runs` and on the pages
        print(f"took       {format_duration(record.created, record.ended or now)}")
    shown = {name: count for name, count in record.counts.items() if count or name in _ALWAYS_SHOWN}
    width = max(map(len, shown), default=0)
    for name, count in shown.items():
        print(f"{name.replace('_', ' '):{width}}{count:>12,}")
    if summary:
        _show_attention(summary)
    if view.steps:
        print()
        show_table(("STEP", "STATE", "TOOK", "TRIES", "ERROR"), (_row(s, now) for s in _sorted(view, now)))


def _show_attention(summary: Summary) -> None:
    """Print the rejected rows by kind, and the sensors that need attention."""
    if summary.rejects:
        print()
        found = ((r.kind, f"{r.count:,}", _place(r), r.hint or "") for r in summary.rejects)
        show_table(("REJECTED", "ROWS", "FIRST", "HINT"), found)
    sensors = needing_attention(summary)
    if sensors:
        print()
        rows = [
            (f"{s.device}/{s.sensor}", s.status.value, f"{s.readings:,}", f"{s.anomalies:,}", s.reason or "")
            for s in sensors[:MOST_SENSORS]
        ]
        show_table(("SENSOR", "STATUS", "READINGS", "ANOMALIES", "REASON"), rows)
    if len(sensors) > MOST_SENSORS:
        print(f"and {len(sensors) - MOST_SENSORS:,} more sensors: see {SUMMARY_CSV}")


def _place(rejects: RejectsRow) -> str:
    line = "" if rejects.line is None else f" line {rejects.line:,}"
    return f"{rejects.file or ''}{line}"


def _sorted(view: View, now: datetime) -> list[StepStatus]:
    def urgency(step: StepStatus) -> tuple[int, float]:
        took = ((step.ended or now) - step.started).total_seconds() if step.started else 0.0
        return URGENCY.index(step.state), -took

    return sorted(view.steps, key=urgency)


def _row(step: StepStatus, now: datetime) -> tuple[str, ...]:
    took = format_duration(step.started, step.ended or now)
    return step.name, step.state.value, took, str(step.tries or ""), step.error or ""


class StepLogs:
    """The logs of the steps of a run, as they grow."""

    def __init__(self, engine: Engine, run: str) -> None:
        self._engine = engine
        self._run = run
        self._read: dict[str, int] = {}
        """How much of a step's log has been shown."""
        self._finished: set[str] = set()
        """Steps whose logs have been shown to the end."""

    def new(self, view: View) -> list[str]:
        """New lines since the last call, each after the name of its step; `view` is older than the logs."""
        lines = []
        finished = {step.name for step in view.steps if step.state.final or view.state.final}
        for step, log in self._engine.logs(self._run, self._finished):
            whole = log if step in finished else log[: log.rfind("\n") + 1]
            lines += [f"{step} | {line}" for line in whole[self._read.get(step, 0) :].splitlines()]
            self._read[step] = max(len(whole), self._read.get(step, 0))
        self._finished = finished & self._read.keys()
        return lines


def follow(
    context: Context, run: str, sleep: Callable[[float], None] = time.sleep, *, logs: bool = False
) -> View:
    """Show a run until it finishes, with the logs of its steps if `logs` is set; returns the final view.

    Raises:
        UnknownRun: there is no such run.
    """
    step_logs = StepLogs(context.engine, run) if logs else None
    live = is_interactive()
    view = (_follow_live if live else _follow_in_lines)(context, run, sleep, step_logs)
    shown = tuple(step.error for step in view.steps if step.error) if live else ()
    for line in filter(None, (view.record.error, view.record.note)):
        if not line.endswith(shown):  # above the bars, when its step failed
            print(printable(line), file=sys.stderr)
    if scored := view.record.counts.get("scored"):
        anomalies = view.record.counts.get("anomalies", 0)
        print(
            f"{scored:,} readings scored, {anomalies:,} anomalies: python -m pipeline report {run} shows them"
        )
    return view


def _follow_in_lines(
    context: Context, run: str, sleep: Callable[[float], None], step_logs: StepLogs | None
) -> View:
    shown = ""
    while True:
        view = view_run(context, run)
        if view.line() != shown:
            shown = view.line()
            print(shown, flush=True)
        for line in step_logs.new(view) if step_logs else ():
            print(printable(line), flush=True)
        if view.state.final:
            return view
        sleep(INTERVAL)


def _follow_live(
    context: Context, run: str, sleep: Callable[[float], None], step_logs: StepLogs | None
) -> View:
    from pipeline.terminal.progress import StepBars

    shown: set[str] = set()
    warning = ""
    with StepBars() as bars:
        while True:
            view = view_run(context, run)
            if view.warning not in {"", warning}:
                bars.print(f"{run}: {view.warning}")
            warning = view.warning
            finished = [step for step in view.steps if step.state.final]
            bars.show(run, view.state, len(finished), len(view.steps))
            for step in finished:
                if step.error and step.name not in shown:
                    shown.add(step.name)
                    bars.print(f"{step.name}: {step.error}")
            for line in step_logs.new(view) if step_logs else ():
                bars.print(line)
            if view.state.final:
                return view
            sleep(INTERVAL)
