"""Whether messages would be taken: a test event for each sink, and what keeps messages at the moment."""

import os
from collections.abc import Mapping
from datetime import datetime

from pipeline.clock import utc_text
from pipeline.errors import NotifyError
from pipeline.fleet.events import EventKind, make_event
from pipeline.fleet.store import read_state
from pipeline.notify.messages import source_of
from pipeline.notify.settings import NotifySettings, Sink, read_notify_settings
from pipeline.notify.sinks import Answer, Fate, open_sink
from pipeline.settings import Settings
from pipeline.storage.account import Store, in_parallel
from scoring.printable import counted


def try_sinks(
    store: Store,
    settings: Settings,
    notify: NotifySettings,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
) -> list[tuple[Sink, Answer]]:
    """Send a test event to each sink; returns what became of it."""
    event = make_event(EventKind.TEST, "test", now.isoformat(), time=now, run="none", data={})

    def attempt(sink: Sink) -> tuple[Sink, Answer]:
        try:
            opened = open_sink(sink, settings.connection, source_of(store), environ)
        except NotifyError as error:
            return sink, Answer(Fate.FAILED, str(error))
        try:
            (message,) = opened.messages([event])
            return sink, opened.send(message, now)
        finally:
            opened.close()

    return in_parallel(attempt, notify.sinks)


def summarize_delivery(
    store: Store, settings: Settings, now: datetime, environ: Mapping[str, str] = os.environ
) -> tuple[bool, str]:
    """Whether messages go out, and in one line what keeps them; sends nothing.

    Raises:
        PipelineError: the settings of notifications or the fleet state cannot be read.
    """
    notify, state = read_notify_settings(store.runs), read_state(store.preds)
    if not notify.sinks:
        return True, "no sink is set: anomalies are on the pages and in the log only"
    problems: list[str] = []
    for sink in notify.sinks:
        try:
            open_sink(sink, settings.connection, source_of(store), environ).close()
        except NotifyError as error:
            problems.append(str(error))
        hold = state.holds.get(sink.name)
        if hold and hold.until > now:
            problems.append(
                f"sink {sink.name} failed in the app ({hold.reason or 'see its log'}): "
                f"the next try is after {utc_text(hold.until)}"
            )
    mutes = sum(mute.until > now for mute in notify.mutes)
    numbers = {"sink": len(notify.sinks), "mute": mutes, "waiting event": len(state.outbox)}
    counts = ", ".join(counted(number, what) for what, number in numbers.items())
    return not problems, "; ".join([counts, *problems])
