"""The fleet state in storage: read, changed, and written if nobody else has changed it in the meantime."""

import dataclasses
import hashlib
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from pipeline.errors import AlreadyExists, Changed, FleetStateError, NotFound
from pipeline.fleet.announce import Rules, failure_event
from pipeline.fleet.finished import FinishedRun
from pipeline.fleet.merge import merge
from pipeline.fleet.silence import fall_silent
from pipeline.fleet.state import MOST_RUNS, FleetState, with_events
from pipeline.runs.record import RunRecord
from pipeline.storage.container import Container
from scoring.formats import FLEET_STATE

TRIES = 60
"""Each lost race is a win of another process: up to 60 runs can finish at the same moment."""
_LONGEST_WAIT = 1.0
_WAITING, _SILENT_AT = "waiting", "silent_at"
"""Metadata of the stored state: how many events are in the outbox, and when the fleet will be silent."""

_BEGINS_ANEW = (
    "%s. The state begins anew without its days and episodes, and the old one is kept as %s. To have it "
    "back, such as after a rollback: stop the app, deploy the release that wrote it, and copy that file over "
    "%s; runs of the meantime are not in it"
)

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """A state with its document in storage; an empty state can have none."""

    state: FleetState
    data: bytes = b""
    etag: str | None = None
    replaced: str | None = None
    """The ETag of the version that this process has just replaced by this one, if it was not the first."""

    def after(self, earlier: "Stored | None") -> "Stored":
        """This state, which replaced what `earlier` has replaced if this process wrote both."""
        if earlier is None or earlier.etag is None:
            return self
        if self.etag == earlier.etag:
            return earlier
        return dataclasses.replace(self, replaced=earlier.replaced) if self.replaced == earlier.etag else self


def read_stored(preds: Container) -> Stored:
    """The state as it is stored; an empty one if there is none.

    Raises:
        FleetStateError: it is damaged, or of another version.
    """
    try:
        content = preds.read(FLEET_STATE)
    except NotFound:
        return Stored(FleetState())
    state = FleetState.from_bytes(content.data, f"{preds.name}/{FLEET_STATE}")
    return Stored(state, content.data, content.etag)


def read_state(preds: Container) -> FleetState:
    """The same, without its document."""
    return read_stored(preds).state


def add_run(preds: Container, found: FinishedRun, rules: Rules, now: datetime) -> Stored:
    """Add a finished run, once; returns the new state."""
    return change_state(preds, lambda state: merge(state, found, rules, now))


def add_failure(preds: Container, record: RunRecord, now: datetime) -> Stored:
    """Add the event that a run has failed for good, once; returns the new state."""

    def change(state: FleetState) -> FleetState:
        if record.run in state.failed:
            return state
        outbox = with_events(state.outbox, [failure_event(record, now)])
        return replace(state, failed=(*state.failed, record.run)[-MOST_RUNS:], outbox=outbox)

    return change_state(preds, change)


def note_silence(preds: Container, rules: Rules, now: datetime) -> Stored:
    """Add the event that the fleet is silent, once; returns the new state."""
    return change_state(preds, lambda state: fall_silent(state, rules, now))


@dataclasses.dataclass(frozen=True, slots=True)
class Properties:
    """Of the stored state: what is to be done about it, found without reading it."""

    etag: str
    has_events: bool
    """Whether events can wait in the outbox."""
    silent_at: str
    """When the fleet is silent, if nothing newer comes; empty if it cannot fall silent."""

    def is_silent(self, now: datetime) -> bool:
        """Whether the fleet has sent nothing for so long that it is silent."""
        return bool(self.silent_at) and self.silent_at <= _written(now)


def find_properties(preds: Container) -> Properties | None:
    """The properties of the stored state; None if there is no state."""
    stored = preds.find(FLEET_STATE)
    if stored is None:
        return None
    metadata = stored.metadata
    return Properties(stored.etag, metadata.get(_WAITING) != "0", metadata.get(_SILENT_AT, ""))


def _metadata(state: FleetState) -> dict[str, str]:
    """What `Properties` says of a state."""
    silent_at = {_SILENT_AT: _written(state.silent_at)} if state.silent_at else {}
    return {_WAITING: str(len(state.outbox))} | silent_at


def _written(time: datetime) -> str:
    """A time as text, in the order of time."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def change_state(
    preds: Container, change: Callable[[FleetState], FleetState], found: Stored | None = None
) -> Stored:
    """Change the state, again from the start if another process was faster; returns the new state.

    `change` returns the state that it got if there is nothing to write, and raises FleetStateError for a
    damaged one. `found` is the state as the caller has just read it.

    Raises:
        FleetStateError: other processes keep changing it.
    """
    for tried in range(TRIES):
        before, after = (found, change(found.state)) if found else _changed(preds, change)
        found = None
        is_anew = before.etag is not None and not before.data
        if after is before.state and not is_anew:
            return before
        data = after.to_bytes()
        try:
            if before.etag is None:
                etag = preds.create(FLEET_STATE, data, metadata=_metadata(after))
            else:
                etag = preds.replace(FLEET_STATE, data, before.etag, metadata=_metadata(after))
        except (AlreadyExists, Changed):
            time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.05 * 2 ** min(tried, 10))))  # noqa: S311
            continue
        return Stored(after, data, etag, before.etag)
    raise FleetStateError(
        f"{preds.name}/{FLEET_STATE} is not updated: other processes keep writing it; try again later"
    )


def _changed(preds: Container, change: Callable[[FleetState], FleetState]) -> tuple[Stored, FleetState]:
    """The state as it is stored, and the changed state.

    A damaged state, or that of a newer release, is kept beside it, and the state begins anew: who writes
    predictions can write this file too, and that must not keep runs from finishing.
    """
    try:
        content = preds.read(FLEET_STATE)
    except NotFound:
        none = Stored(FleetState())
        return none, change(none.state)
    where = f"{preds.name}/{FLEET_STATE}"
    try:
        found = Stored(FleetState.from_bytes(content.data, where), content.data, content.etag)
        return found, change(found.state)
    except FleetStateError as error:
        aside = f"{FLEET_STATE}.damaged-{hashlib.sha256(content.data).hexdigest()[:16]}"
        preds.put(aside, content.data)
        logger.error(_BEGINS_ANEW, error, f"{preds.name}/{aside}", where)  # noqa: TRY400
        anew = Stored(FleetState(), etag=content.etag)
        return anew, change(anew.state)
