"""Timers: when they fire, what their functions get, and what is stored for the next start.

The rules are those of the real host's timer extension. Past due is checked only when the host starts: a
missed tick is made up for once, however many were missed, even if the timer never ran.
One function's ticks never overlap; calls out of turn run beside them.
"""

import asyncio
import json
import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dev.host.errors import HostError
from dev.host.functions import Input, Outcome
from dev.host.stopping import pause
from dev.host.triggers import TimerTrigger
from dev.host.worker import Worker
from pipeline.ncrontab import Schedule

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_log = logging.getLogger("Host.Triggers.Timer")

NEVER = datetime(1, 1, 1, tzinfo=UTC)
""""Never", as .NET writes it: 0001-01-01T00:00:00."""

_LONGEST_NAP = timedelta(minutes=1)  # a machine that slept, or a clock put right, is noticed after this long


class Clock:
    """The machine's."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    async def pause(self, seconds: float, until: asyncio.Event) -> bool:
        """Wait for a time or until the event is set; true if it is."""
        return await pause(seconds, until)


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """What is stored of a timer between starts of the host."""

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
    def read(cls, text: str) -> "ScheduleStatus | None":
        """Parse JSON; times without an offset, as .NET can write them, are UTC.

        Raises:
            ValueError: this is not a status.
        """
        document: Any = json.loads(text or "null")
        if document is None:
            return None
        try:
            times = [document.get(name, "0001-01-01") for name in ("Last", "Next", "LastUpdated")]
            return cls(*(_utc(datetime.fromisoformat(time)) for time in times))
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class StatusStore:
    """Statuses as blobs, where the real host stores them; `container` is `azure-webjobs-hosts`."""

    container: "ContainerClient"
    host_id: str

    def load(self, function: str) -> ScheduleStatus | None:
        """The status of a function's timer, if any; `function` is its full id.

        Raises:
            HostError: it cannot be read. It stays as it is.
        """
        from azure.core.exceptions import ResourceNotFoundError

        try:
            text = self.container.download_blob(self.path(function), encoding="utf-8").readall()
        except ResourceNotFoundError:
            return None
        try:
            return ScheduleStatus.read(text)
        except ValueError as error:
            where = f"{self.container.container_name}/{self.path(function)}"
            raise HostError(f"{where} is not a timer's status: delete it ({error})") from error

    def save(self, function: str, status: ScheduleStatus) -> None:
        """Write it."""
        text = json.dumps(status.document(), separators=(",", ":"))
        self.container.upload_blob(self.path(function), text, overwrite=True)

    def path(self, function: str) -> str:
        """Name of the status blob."""
        return f"timers/{self.host_id}/{function}/status"


class TimerListener:
    """Fires one timer for as long as the host holds its lock."""

    def __init__(self, trigger: TimerTrigger, worker: Worker, store: StatusStore, clock: Clock) -> None:
        self._trigger = trigger
        self._function = trigger.function.full_id
        self._worker = worker
        self._clock = clock
        self._store = store if trigger.monitored else None
        self._status: ScheduleStatus

    async def run(self, until: asyncio.Event) -> None:
        """Wait for each tick and fire."""
        name, schedule, now = self._trigger.function.name, self._trigger.schedule, self._clock.now()
        stored = await asyncio.to_thread(self._store.load, self._function) if self._store else None
        status, past_due = at_start(stored, schedule, now)
        # The very first call gets no LastUpdated, though one is stored.
        self._status = status if stored else ScheduleStatus(NEVER, status.next, NEVER)
        if self._store and status != stored:
            await asyncio.to_thread(self._store.save, self._function, status)
        if past_due:
            _log.info("Function '%s' is past due on startup. Executing now.", name)
            await self._fire(f"Timer was due at {status.next.isoformat()}", until, past_due=True)
        elif self._trigger.at_start:
            await self._fire("RunOnStartup", until)
        while not await self._wait(until):
            await self._fire(f"Timer fired at {self._clock.now().isoformat()}", until, scheduled=True)

    async def call(self, reason: str, invocation: str, until: asyncio.Event) -> Outcome:
        """Run the function out of turn; its schedule does not change."""
        status = await asyncio.to_thread(self._store.load, self._function) if self._store else None
        return await self._invoke(reason, until, self._info(status), invocation)

    async def _wait(self, until: asyncio.Event) -> bool:
        """Wait for the next tick; true if the host stops first."""
        following = self._status.next
        _log.info("The next tick of '%s' is at %s", self._trigger.function.name, following.isoformat())
        while (left := following - self._clock.now()) > timedelta():
            if await self._clock.pause(min(left, _LONGEST_NAP).total_seconds(), until):
                return True
        return until.is_set()

    async def _fire(
        self, reason: str, until: asyncio.Event, *, past_due: bool = False, scheduled: bool = False
    ) -> None:
        fired = self._clock.now()
        status = self._status if self._store else None
        await self._invoke(reason, until, self._info(status, past_due=past_due))
        if scheduled:
            fired = max(fired, self._status.next)
        self._status = ScheduleStatus(fired, self._trigger.schedule.next_after(fired), fired)
        if self._store:
            await asyncio.to_thread(self._store.save, self._function, self._status)

    async def _invoke(
        self, reason: str, until: asyncio.Event, info: dict[str, Any], invocation: str = ""
    ) -> Outcome:
        """Call the function, with the retries of its policy."""
        function, retry = self._trigger.function, 0
        invocation = invocation or str(uuid.uuid4())
        given = Input.timer(self._trigger.parameter, info)
        while True:
            outcome = await self._worker.invoke(
                function, given, reason=reason, invocation=invocation, retry=retry
            )
            if outcome.ok or function.retry is None or retry == function.retry.most:
                return outcome
            retry += 1
            delay = function.retry.delay(retry)
            _log.warning("'%s' is retried in %s (retry %d)", function.name, delay, retry)
            if await self._clock.pause(delay.total_seconds(), until):
                return outcome

    def _info(self, status: ScheduleStatus | None, *, past_due: bool = False) -> dict[str, Any]:
        """The function's argument: `Next` is the tick that it runs for, as in the real host."""
        document = status.document() if status else None
        return {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": document, "IsPastDue": past_due}


def at_start(stored: ScheduleStatus | None, schedule: Schedule, now: datetime) -> tuple[ScheduleStatus, bool]:
    """The initial status, and whether a tick was missed while the host was down."""
    if stored is None:
        return ScheduleStatus(NEVER, schedule.next_after(now), now), False
    since = next((time for time in (stored.last, stored.updated) if time != NEVER), now)
    expected = schedule.next_after(since)
    if stored.next == expected:
        return stored, now > stored.next
    # The schedule was changed: start afresh, with nothing to make up for.
    if now > expected:
        since, expected = now, schedule.next_after(now)
    return ScheduleStatus(NEVER, expected, since), False


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
