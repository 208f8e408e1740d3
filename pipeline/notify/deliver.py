"""Delivery: from the outbox of the fleet state to the sinks, at least once, in order.

One process delivers at a time: it holds a lease. Sinks are served at the same time, each in the order of the
outbox, so the events of a sensor arrive in order. A sink that fails is left alone for a while, and the
others continue. Events of a muted sensor wait. What a sink refuses, or fails to accept within a day, is kept
as a dead letter:

    runs/undelivered/<sink>/<id of the event>.json
"""

import json
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from pipeline.clock import utc_text
from pipeline.errors import LeaseHeld, NotFound, NotifyError
from pipeline.fleet.events import Event
from pipeline.fleet.state import FleetState, Hold
from pipeline.fleet.store import Stored, change_state, find_properties, read_stored
from pipeline.json_documents import DAMAGED
from pipeline.notify.messages import Message, cloud_event, messages, sentence, source_of
from pipeline.notify.settings import Format, NotifySettings, Sink, read_notify_settings
from pipeline.notify.sinks import Answer, Fate, OpenSink, open_sink
from pipeline.settings import Settings
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Lease

LOCK = "notify.lock"
DEAD_LETTERS = "undelivered"
LEASE_SECONDS = 60
BUDGET = 35.0
"""Seconds in which a delivery begins requests: it must end before its lease."""
TRIES = 3
FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
"""Seconds between tries of one delivery; each wait is twice as long, minus up to half at random."""
FIRST_HOLD, LONGEST_HOLD = timedelta(minutes=1), timedelta(hours=1)
"""How long a sink that failed is left alone; each time twice as long, plus up to a quarter at random."""
OLDEST = timedelta(days=1)
MOST_WAITING = 10_000
"""Events that can wait for one sink; the oldest of more are dead letters."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """What became of the events of one sink."""

    sink: Sink
    delivered: set[str] = field(default_factory=set)
    dead: dict[str, str] = field(default_factory=dict)
    """Events that are given up, with the reason."""
    hold: Hold | None = None
    """Set if the sink failed."""


def deliver(
    store: Store,
    settings: Settings,
    clock: Callable[[], datetime],
    environ: Mapping[str, str] = os.environ,
    *,
    written: Stored | None = None,
) -> Stored:
    """Send the events in the outbox, unless another process does; it then finds our events, too.

    `written` is the state as the caller has just written it: what others add later, they deliver themselves.
    Returns the state as it was read or written last.

    Raises:
        PipelineError: storage fails, or the settings of notifications are wrong. The events wait.
    """
    ends = time.monotonic() + BUDGET
    tried: set[str] = set()
    stored = written or read_stored(store.preds)
    while time.monotonic() < ends and not all(event.id in tried for event in stored.state.outbox):
        lease = _lock(store)
        if lease is None:
            return stored
        try:
            found = read_stored(store.preds)
            tried |= {event.id for event in found.state.outbox}
            stored = _deliver_once(store, settings, clock, environ, ends=ends, found=found)
        finally:
            lease.release()
        current = find_properties(store.preds)  # who found the lease held relies on this
        if current and current.etag != stored.etag:
            stored = read_stored(store.preds)
    return stored


def _lock(store: Store) -> Lease | None:
    """The right to deliver; None if another process has it."""
    try:
        return store.runs.lease(LOCK, LEASE_SECONDS)
    except NotFound:  # the first delivery
        store.runs.touch(LOCK, metadata={})
        return _lock(store)
    except LeaseHeld:
        return None


def _deliver_once(
    store: Store,
    settings: Settings,
    clock: Callable[[], datetime],
    environ: Mapping[str, str],
    *,
    ends: float,
    found: Stored,
) -> Stored:
    """Send the events in the outbox of the state that was found; returns the new state."""
    notify, state = read_notify_settings(store.runs), found.state
    source = source_of(store)
    is_muted = notify.muted(clock())
    unreadable = {event.id for event in state.outbox if not _is_readable(event)}
    events = [
        event
        for event in state.outbox
        if event.id not in unreadable and not (event.key and is_muted(event.key))
    ]

    def serve(sink: Sink) -> Progress:
        progress = Progress(sink)
        waiting = [event for event in events if sink.wants(event.kind) and sink.name not in event.done]
        hold = state.holds.get(sink.name)
        if not waiting or (hold and hold.until > clock()):
            return progress
        try:
            opened = open_sink(sink, settings.connection, source, environ)
        except NotifyError as error:
            _note_failure(progress, waiting, hold, Answer(Fate.FAILED, str(error)), clock())
            return progress
        try:
            _serve(progress, opened, waiting, hold, clock=clock, ends=ends)
        finally:
            opened.close()
        return progress

    progress = in_parallel(serve, notify.sinks)
    by_id = {event.id: event for event in events}
    for each in progress:
        for event_id, reason in each.dead.items():
            _keep_dead_letter(store, each.sink, by_id[event_id], source, reason)
    settle = partial(_settled, notify=notify, progress=progress, found=set(by_id), drop=unreadable)
    return change_state(store.preds, settle, found)


def _serve(
    progress: Progress,
    opened: OpenSink,
    waiting: Sequence[Event],
    hold: Hold | None,
    *,
    clock: Callable[[], datetime],
    ends: float,
) -> None:
    """Send the events in order, until one is not taken or the time is up."""
    for event in waiting[:-MOST_WAITING]:
        progress.dead[event.id] = f"more than {MOST_WAITING:,} events waited"
    for message in opened.messages(waiting[-MOST_WAITING:]):
        if time.monotonic() > ends:
            return
        answer = _tried(opened, message, clock, ends)
        ids = [event.id for event in message.events]
        if answer.fate is Fate.DELIVERED:
            progress.delivered.update(ids)
        elif answer.fate is Fate.REFUSED:
            progress.dead.update(dict.fromkeys(ids, answer.reason))
        else:
            left = [event for event in waiting if event.id not in progress.delivered | progress.dead.keys()]
            _note_failure(progress, left, hold, answer, clock())
            return


def _tried(opened: OpenSink, message: Message, clock: Callable[[], datetime], ends: float) -> Answer:
    """The answer to one message, after some tries if it fails."""
    wait = FIRST_WAIT
    for tried in range(1, TRIES + 1):
        answer = opened.send(message, clock())
        asked = answer.retry_after or 0.0
        pause = max(asked, wait * random.uniform(0.5, 1.0))  # noqa: S311
        is_late = time.monotonic() + pause > ends
        if answer.fate is not Fate.FAILED or tried == TRIES or asked > LONGEST_WAIT or is_late:
            return answer
        time.sleep(pause)
        wait *= 2
    raise AssertionError("the last try returns")


def _note_failure(
    progress: Progress, waiting: Sequence[Event], before: Hold | None, answer: Answer, now: datetime
) -> None:
    """Leave the sink alone for a while, and give up what has waited too long."""
    failures = before.failures + 1 if before else 1
    pause = min(FIRST_HOLD * 2 ** min(failures - 1, 10), LONGEST_HOLD) * random.uniform(1.0, 1.25)  # noqa: S311
    asked = timedelta(seconds=min(answer.retry_after or 0.0, OLDEST.total_seconds()))
    progress.hold = Hold(now + max(pause, asked), failures, answer.reason)
    for event in waiting:
        if now - event.time > OLDEST:
            progress.dead[event.id] = f"not taken within a day: {answer.reason}"
    logger.warning(
        "sink %s failed (%s): %s events wait, the next try is after %s",
        progress.sink.name,
        answer.reason,
        f"{len(waiting):,}",
        utc_text(progress.hold.until),
    )


def _settled(
    state: FleetState,
    *,
    notify: NotifySettings,
    progress: Sequence[Progress],
    found: set[str],
    drop: set[str],
) -> FleetState:
    """The state without what all sinks have."""
    outbox: list[Event] = []
    for event in state.outbox:
        done = {
            each.sink.name for each in progress if event.id in each.delivered or event.id in each.dead
        } | set(event.done)
        wanted = {sink.name for sink in notify.sinks if sink.wants(event.kind)}
        if event.id in drop or (event.id in found and wanted <= done):
            if event.id not in drop:
                logger.info(
                    "event %s: %s (%s)", event.id, sentence(event), ", ".join(sorted(done)) or "no sink"
                )
            continue
        outbox.append(replace(event, done=tuple(sorted(done))))
    served = {each.sink.name: each for each in progress}
    holds = {name: hold for name, hold in state.holds.items() if name in served}
    for name, each in served.items():
        if each.hold is not None:
            holds[name] = each.hold
        elif each.delivered:
            holds.pop(name, None)
    if tuple(outbox) == state.outbox and holds == state.holds:
        return state
    return replace(state, outbox=tuple(outbox), holds=holds)


def _keep_dead_letter(store: Store, sink: Sink, event: Event, source: str, reason: str) -> None:
    document = {"sink": sink.name, "reason": reason, "event": cloud_event(event, source)}
    name = f"{DEAD_LETTERS}/{sink.name}/{event.id}.json"
    store.runs.put(name, json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
    logger.error("event %s is not delivered to sink %s (%s): see %s", event.id, sink.name, reason, name)


def _is_readable(event: Event) -> bool:
    """Whether it is an event of ours: who can write predictions can write the outbox, too.

    Such an event must not keep others from being sent, in whichever form.
    """
    try:
        for form in Format:
            list(messages([event], form, source=""))
    except (*DAMAGED, LookupError) as error:
        logger.error("event %s in the outbox is damaged (%s) and is dropped", event.id, type(error).__name__)  # noqa: TRY400
        return False
    return True
