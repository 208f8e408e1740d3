"""The work queue: calls functions for the blobs that messages name, at most five times each.

A message stays on the queue until its call has succeeded, and is hidden meanwhile. If this host dies, it
becomes visible again with the number of tries so far; after the last try it goes to the poison queue.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.host.blob_messages import POISON_QUEUE, BlobMessage, open_queue
from dev.host.functions import Input, Outcome
from dev.host.stopping import pause
from dev.host.triggers import BlobTrigger
from dev.host.worker import Worker

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient
    from azure.storage.queue import QueueClient, QueueMessage

_log = logging.getLogger("Host.Triggers.Blob")

_LIVES = 7 * 24 * 3600
"""Seconds that a message is kept."""
_RETRY_PAUSE = 0.1
"""Seconds; five tries take less than one."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How messages are handled."""

    at_once: int
    """Maximum of concurrent calls."""
    tries: int
    hidden: int
    """Seconds until the message of a host that died is visible again."""
    look_every: float
    """Seconds between polls for such messages; this host knows its own at once."""


class WorkQueue:
    """The queue of a host id, for all its blob functions.

    Args:
        queue: its client.
        triggers: the functions, by full id.
        accounts: of the blobs, by connection.
    """

    def __init__(
        self,
        queue: "QueueClient",
        worker: Worker,
        triggers: Mapping[str, BlobTrigger],
        accounts: Mapping[str, "BlobServiceClient"],
        options: QueueOptions,
    ) -> None:
        self._queue = queue
        self._worker = worker
        self._triggers = triggers
        self._accounts = accounts
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._complained = ""

    def put(self, message: BlobMessage) -> None:
        """Add a message; not for the event loop's thread."""
        self._queue.send_message(message.text(), time_to_live=_LIVES)
        self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Handle messages until the host stops, then wait for running calls."""
        at_once = self._options.at_once
        batch = at_once // 2 + 1  # as the real host: fetches when at most the other half are running
        running: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            self._woken.set()

        async with asyncio.TaskGroup() as calls:
            while not stopping.is_set():
                self._woken.clear()
                received = []
                if len(running) <= at_once - batch:
                    received = await asyncio.to_thread(self._receive, batch)
                for raw in received:
                    task = calls.create_task(self._handle(raw))
                    running.add(task)
                    task.add_done_callback(ended)
                if not received:
                    await self._wait(stopping)

    async def call(
        self, trigger: BlobTrigger, container: str, name: str, *, reason: str, invocation: str = ""
    ) -> Outcome:
        """Call a function for a blob without a message."""
        given = Input.blob(trigger.parameter, trigger.connection, container, name)
        return await self._worker.invoke(trigger.function, given, reason=reason, invocation=invocation)

    async def _wait(self, stopping: asyncio.Event) -> None:
        """Wait until there might be something to do."""
        waits = [
            asyncio.create_task(each)
            for each in (self._woken.wait(), pause(self._options.look_every, stopping))
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    def _receive(self, most: int) -> list["QueueMessage"]:
        from azure.core.exceptions import AzureError

        try:
            found = list(
                self._queue.receive_messages(
                    messages_per_page=most, max_messages=most, visibility_timeout=self._options.hidden
                )
            )
        except AzureError as error:
            if not self._complained:
                _log.warning("cannot read the queue %s: %s", self._queue.queue_name, error)
            self._complained = str(error)
            return []
        self._complained = ""
        return found

    async def _handle(self, raw: "QueueMessage") -> None:
        from azure.core.exceptions import AzureError

        try:
            message = BlobMessage.read(raw.content)
            trigger = self._triggers.get(message.function)
            if trigger is None:
                _log.warning("there is no blob function %s: its message is dropped", message.function)
                outcome = Outcome(ok=True)
            elif (raw.dequeue_count or 1) > self._options.tries:  # of hosts that died
                outcome = Outcome(ok=False)
            else:
                outcome, raw = await self._call_hidden(trigger, message, raw)
                await asyncio.sleep(0 if outcome.ok else _RETRY_PAUSE)
            await asyncio.to_thread(self._finish, raw, trigger, outcome)
        except ValueError as error:
            _log.warning("a message on %s is dropped: %s", self._queue.queue_name, error)
            await asyncio.to_thread(self._queue.delete_message, raw)
        except AzureError as error:
            _log.warning("a message will come back by itself: %s", error)

    async def _call_hidden(
        self, trigger: BlobTrigger, message: BlobMessage, raw: "QueueMessage"
    ) -> tuple[Outcome, "QueueMessage"]:
        """Call the function and keep its message hidden meanwhile; returns both in their final state."""
        from azure.core.exceptions import AzureError

        call = asyncio.create_task(self._call_if_current(trigger, message))
        try:
            while not (await asyncio.wait([call], timeout=self._options.hidden / 2))[0]:
                try:
                    raw = await asyncio.to_thread(
                        self._queue.update_message, raw, visibility_timeout=self._options.hidden
                    )
                except AzureError as error:
                    _log.warning("a message will be seen while its call runs: %s", error)
        finally:
            if not call.done():
                call.cancel()
        return call.result(), raw

    async def _call_if_current(self, trigger: BlobTrigger, message: BlobMessage) -> Outcome:
        """Call the function, unless the blob is gone or a scan will find a newer version."""
        from azure.core.exceptions import AzureError

        container, name = message.container, message.name
        try:
            etag = await asyncio.to_thread(self._etag, trigger, container, name)
        except AzureError as error:
            _log.warning("cannot ask for blob '%s/%s': %s", container, name, error)
            return Outcome(ok=False)
        if etag is None or (trigger.scans and etag != message.etag):
            _log.info("blob '%s/%s' is gone or newer: its message is dropped", container, name)
            return Outcome(ok=True)
        reason = f"New blob detected({trigger.source}): {container}/{name}"
        return await self.call(trigger, container, name, reason=reason)

    def _etag(self, trigger: BlobTrigger, container: str, name: str) -> str | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            blob = self._accounts[trigger.connection].get_blob_client(container, name)
            return str(blob.get_blob_properties().etag)
        except ResourceNotFoundError:
            return None

    def _finish(self, raw: "QueueMessage", trigger: BlobTrigger | None, outcome: Outcome) -> None:
        """Delete a message, or make it visible again."""
        if not outcome.ok and (raw.dequeue_count or 1) < self._options.tries:
            self._queue.update_message(raw, visibility_timeout=0)
            return
        if not outcome.ok and trigger is not None:
            self._give_up(raw, trigger)
        self._queue.delete_message(raw)

    def _give_up(self, raw: "QueueMessage", trigger: BlobTrigger) -> None:
        from azure.core.exceptions import ResourceExistsError

        with open_queue(trigger.connection_string, POISON_QUEUE) as poison:
            with contextlib.suppress(ResourceExistsError):
                poison.create_queue()
            poison.send_message(raw.content)
        _log.warning(
            "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
            self._options.tries,
            POISON_QUEUE,
        )
