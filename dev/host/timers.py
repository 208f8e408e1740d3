"""Timers: when they fire, what their functions are told, and what is kept for the next start.

The rules are those of the real host's timer extension. Past due is looked at only when the host starts: a
tick that was missed meanwhile is made up for once, however many were missed; a timer that never ran, or
whose schedule was changed, is not past due. One function's ticks never overlap.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from dev.host.ncrontab import Schedule
from dev.host.stopping import pause
from dev.host.triggers import TimerTrigger
from dev.host.worker import Input, Outcome, Worker

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_log = logging.getLogger("Host.Triggers.Timer")

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""A time that has not been, as .NET writes it: 0001-01-01T00:00:00."""

_LONGEST_NAP = timedelta(minutes=1)  # a machine that slept, or a clock put right, is noticed after this long

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """What is known of a timer between starts of the host."""

    last: datetime
    next: datetime
    updated: datetime

    def document(self) -> dict[str, str]:
        """The real host's names."""
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }

    @classmethod
    def read(cls, text: str) -> "ScheduleStatus":
        """Back from JSON; times without an offset, as .NET may write them, are UTC."""
        document = json.loads(text)
        last, following, updated = (
            _utc(datetime.fromisoformat(document[name])) for name in ("Last", "Next", "LastUpdated")
        )
        return cls(last, following, updated)


class StatusStore(Protocol):
    """Where statuses are kept."""

    def load(self, function: str) -> ScheduleStatus | None:
        """The status of a function's timer, where there is one."""

    def save(self, function: str, status: ScheduleStatus) -> None:
        """Put it in place of the one before."""


@dataclass(frozen=True)
class BlobStatusStore:
    """Statuses as blobs, where the real host has them."""

    container: "ContainerClient"
    host_id: str

    def load(self, function: str) -> ScheduleStatus | None:
        """The status, or None where there is none or none that can be read."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            text = self.container.download_blob(self._path(function), encoding="utf-8").readall()
        except ResourceNotFoundError:
            return None
        try:
            return ScheduleStatus.read(text)
        except (ValueError, KeyError, TypeError):
            _log.warning("the stored status of '%s' cannot be read, and is made new", function)
            return None

    def save(self, function: str, status: ScheduleStatus) -> None:
        """Write it."""
        self.container.upload_blob(self._path(function), json.dumps(status.document()), overwrite=True)

    def _path(self, function: str) -> str:
        return f"timers/{self.host_id}/Host.Functions.{function}/status"


class TimerListener:
    """Fires one timer for as long as the host runs."""

    def __init__(
        self, trigger: TimerTrigger, worker: Worker, store: StatusStore, now: Clock, stopping: asyncio.Event
    ) -> None:
        self._trigger = trigger
        self._worker = worker
        self._now = now
        self._stopping = stopping
        # The real host keeps no status for schedules with more than one tick in a minute.
        self._store = store if trigger.monitored and not is_frequent(trigger.schedule, now()) else None
        self._status = ScheduleStatus(NEVER, trigger.schedule.next_after(now()), now())
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Wait for each tick and fire, until the host stops."""
        name = self._trigger.function.name
        stored = await asyncio.to_thread(self._store.load, name) if self._store else None
        status, past_due = at_start(stored, self._trigger.schedule, self._now())
        await self._keep(status)
        if past_due:
            _log.info("Function '%s' is past due on startup. Executing now.", name)
            await self._fire(f"Timer was due at {status.next.isoformat()}", past_due=True)
        elif self._trigger.at_start:
            await self._fire("RunOnStartup", scheduled=False)
        while not await self._wait():
            await self._fire(f"Timer fired at {self._now().isoformat()}", scheduled=True)

    async def fire_now(self) -> Outcome:
        """Run the function out of turn; the schedule goes on as it was."""
        async with self._one_at_a_time:
            return await self._invoke("This function was programmatically called via the host APIs.")

    async def _wait(self) -> bool:
        """Wait for the next tick; true where the host stops before."""
        following = self._status.next
        _log.info("The next tick of '%s' is at %s", self._trigger.function.name, following.isoformat())
        while (left := following - self._now()) > timedelta():
            if await pause(min(left, _LONGEST_NAP).total_seconds(), self._stopping):
                return True
        return self._stopping.is_set()

    async def _fire(self, reason: str, *, past_due: bool = False, scheduled: bool = False) -> None:
        async with self._one_at_a_time:
            fired = self._now()
            await self._invoke(reason, past_due=past_due)
            if scheduled:
                fired = max(fired, self._status.next)
            await self._keep(ScheduleStatus(fired, self._trigger.schedule.next_after(fired), fired))

    async def _invoke(self, reason: str, *, past_due: bool = False) -> Outcome:
        """Call the function, and again as its retry policy asks for."""
        function, info = self._trigger.function, self._info(past_due=past_due)
        retry = 0
        while True:
            given = Input.timer(self._trigger.parameter, info)
            outcome = await self._worker.invoke(function, given, reason=reason, retry=retry)
            if outcome.ok or function.retry is None or retry == function.retry.most:
                return outcome
            retry += 1
            delay = function.retry.delay(retry)
            _log.warning("'%s' is tried again in %s (retry %d)", function.name, delay, retry)
            if await pause(delay.total_seconds(), self._stopping):
                return outcome

    def _info(self, *, past_due: bool) -> dict[str, Any]:
        """What the function is told: `Next` is the very tick that it runs for, as in the real host."""
        status = self._status.document() if self._store else None
        return {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}

    async def _keep(self, status: ScheduleStatus) -> None:
        self._status = status
        if self._store:
            await asyncio.to_thread(self._store.save, self._trigger.function.name, status)


def at_start(stored: ScheduleStatus | None, schedule: Schedule, now: datetime) -> tuple[ScheduleStatus, bool]:
    """The status to begin with, and whether a tick was missed while the host was down."""
    if stored is None:
        return ScheduleStatus(NEVER, schedule.next_after(now), now), False
    expected = schedule.next_after(now if stored.last == NEVER else stored.last)
    if stored.next == expected:
        return stored, now > stored.next
    # The schedule was changed, or the timer never ran: begin anew, with nothing to make up for.
    return ScheduleStatus(NEVER, expected if expected >= now else schedule.next_after(now), now), False


def is_frequent(schedule: Schedule, now: datetime) -> bool:
    """Whether there is more than one tick in the minute to come."""
    second = schedule.next_after(schedule.next_after(now))
    return second <= now + timedelta(minutes=1)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
