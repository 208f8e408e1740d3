"""Looking at a run while it runs: its state and its steps, once or until it is over."""

import sys
import time
from collections.abc import Callable
from datetime import datetime

from pipeline.engine import Engine, StepStatus
from pipeline.flow.context import Context
from pipeline.flow.status import LOST, URGENCY, View, look
from pipeline.terminal.tables import plain, show_table, told_duration, told_time, watched

INTERVAL = 1.0
"""Seconds between two looks."""


def show(view: View, now: datetime) -> None:
    """Print a run for people: failed steps first, then the slowest."""
    record = view.record
    print(f"run        {record.run}")
    print(f"state      {record.state}" + (f": {plain(record.error)}" if record.error else ""))
    if view.lost:
        print(f"           {LOST}")
    print(f"cause      {plain(record.cause.sentence)}")
    print(f"published  {record.published}")
    print(f"created    {told_time(record.created)} UTC")
    if record.started:
        print(f"took       {told_duration(record.started, record.ended or now)}")
    for name, count in record.counts.items():
        print(f"{name.replace('_', ' '):24}{count:>12,}")
    if view.steps:
        print()
        show_table(("STEP", "STATE", "TOOK", "TRIES", "ERROR"), (_row(s, now) for s in _sorted(view, now)))


def _sorted(view: View, now: datetime) -> list[StepStatus]:
    def urgency(step: StepStatus) -> tuple[int, float]:
        took = ((step.ended or now) - step.started).total_seconds() if step.started else 0.0
        return URGENCY.index(step.state), -took

    return sorted(view.steps, key=urgency)


def _row(step: StepStatus, now: datetime) -> tuple[str, ...]:
    took = told_duration(step.started, step.ended or now)
    return step.name, step.state.value, took, str(step.tries or ""), step.error or ""


class Words:
    """What the steps of a run say, as it comes."""

    def __init__(self, engine: Engine, run: str) -> None:
        self._engine = engine
        self._run = run
        self._read: dict[str, int] = {}
        """How much of a step's log was told."""
        self._told: set[str] = set()
        """Steps whose logs were told to their end."""

    def new(self, view: View) -> list[str]:
        """Lines since the last time, each after the name of its step; `view` is older than they are."""
        lines = []
        over = {step.name for step in view.steps if step.state.final or view.state.final}
        for step, log in self._engine.logs(self._run, self._told):
            whole = log if step in over else log[: log.rfind("\n") + 1]
            lines += [f"{step} | {line}" for line in whole[self._read.get(step, 0) :].splitlines()]
            self._read[step] = max(len(whole), self._read.get(step, 0))
        self._told = over & self._read.keys()
        return lines


def follow(
    context: Context, run: str, sleep: Callable[[float], None] = time.sleep, *, logs: bool = False
) -> View:
    """Show a run until it is over, with what its steps say if that is asked for; returns how it ended.

    Raises:
        UnknownRun: there is no such run.
    """
    words = Words(context.engine, run) if logs else None
    view = (
        _follow_live(context, run, sleep, words)
        if watched()
        else _follow_in_lines(context, run, sleep, words)
    )
    if view.record.error:
        print(plain(view.record.error), file=sys.stderr)
    if scored := view.record.counts.get("scored"):
        anomalies = view.record.counts.get("anomalies", 0)
        print(
            f"{scored:,} readings scored, {anomalies:,} anomalies: python -m pipeline report {run} shows them"
        )
    return view


def _follow_in_lines(context: Context, run: str, sleep: Callable[[float], None], words: Words | None) -> View:
    said = ""
    while True:
        view = look(context, run)
        if view.line() != said:
            said = view.line()
            print(said, flush=True)
        for line in words.new(view) if words else ():
            print(plain(line), flush=True)
        if view.state.final:
            return view
        sleep(INTERVAL)


def _follow_live(context: Context, run: str, sleep: Callable[[float], None], words: Words | None) -> View:
    from pipeline.terminal.progress import StepBars

    told: set[str] = set()
    was_lost = False
    with StepBars() as bars:
        while True:
            view = look(context, run)
            if view.lost and not was_lost:
                bars.say(f"{run}: {LOST}")
            was_lost = view.lost
            over = [step for step in view.steps if step.state.final]
            bars.show(run, view.state, len(over), len(view.steps))
            for step in over:
                if step.error and step.name not in told:
                    told.add(step.name)
                    bars.say(f"{step.name}: {step.error}")
            for line in words.new(view) if words else ():
                bars.say(line)
            if view.state.final:
                return view
            sleep(INTERVAL)
