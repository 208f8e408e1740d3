"""Blobs: finding new ones by looking, telling each to its function once, and giving up on some.

As in the real host, what was handled is remembered in receipts, empty blobs in `azure-webjobs-hosts`
whose names say function, ETag, container and blob; deleting one makes its blob new again. A function that
fails is called again, five times in all, then a message goes to the queue `webjobs-blobtrigger-poison`.
Unlike there, no queue stands between finding and calling: the receipt is written after the call, so a
host that dies in between calls again, and counts the tries anew.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.host.stopping import pause
from dev.host.triggers import BlobTrigger
from dev.host.worker import Input, Outcome, Worker

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient
    from azure.storage.queue import QueueClient

_log = logging.getLogger("Host.Triggers.Blob")

POISON_QUEUE = "webjobs-blobtrigger-poison"
HOSTS_CONTAINER = "azure-webjobs-hosts"

_REMEMBERED = 100_000
"""Handled blobs that are known without asking storage for their receipts."""

_PAGE = 2_000
"""Blobs that are listed at a time: Azurite sorts all that there are for each page, and memory holds one."""

_LONGEST_BREAK = 5.0
"""Seconds: looking at many blobs takes no more than half of the time, but new ones do not wait for long."""

_LONGEST_NAME = 1024


def receipt_name(host_id: str, function: str, container: str, blob: str, etag: str) -> str:
    """Where the receipt of one blob at one ETag lies in `azure-webjobs-hosts`."""
    start = f"blobreceipts/{host_id}/Host.Functions.{function}/{bare(etag)}/{container}/"
    if len(start) + len(blob) <= _LONGEST_NAME:
        return start + blob
    return start + hashlib.sha256(blob.encode()).hexdigest()


def bare(etag: str) -> str:
    """An ETag without its quotes: listings and headers differ in that."""
    return etag.strip('"')


@dataclass(frozen=True, slots=True)
class Storage:
    """The clients of one blob trigger: `data` is looked at, `hosts` has the receipts."""

    data: "ContainerClient"
    hosts: "ContainerClient"
    poison: "QueueClient"


class BlobListener:
    """Watches one container for one function."""

    def __init__(
        self,
        trigger: BlobTrigger,
        worker: Worker,
        storage: Storage,
        host_id: str,
        *,
        at_once: int,
        tries: int,
    ) -> None:
        self._trigger = trigger
        self._worker = worker
        self._storage = storage
        self._host_id = host_id
        self._slots = asyncio.Semaphore(at_once)
        self._tries = tries
        self._busy: set[str] = set()
        self._handled: OrderedDict[bytes, None] = OrderedDict()
        self._failures: dict[str, int] = {}
        self._complained = ""

    async def run(self, every: float, stopping: asyncio.Event) -> None:
        """Look every so many seconds until the host stops; calls that have begun are waited for."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        container = self._trigger.container
        async with asyncio.TaskGroup() as calls:
            while True:
                began = time.monotonic()
                try:
                    await self._look(calls, stopping)
                    self._complained = ""
                except ResourceNotFoundError:
                    self._complain(f"there is no container {container!r} yet: create it, or set its name")
                except AzureError as error:
                    self._complain(f"cannot look into {container!r}: {_one_line(error)}")
                took = time.monotonic() - began
                if await pause(max(every, min(took, _LONGEST_BREAK)), stopping):
                    return

    async def call_for(self, name: str) -> Outcome:
        """Call the function for this blob, whether it was handled or not."""
        return await self._call(name, reason="This function was programmatically called via the host APIs.")

    async def _look(self, calls: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        """Begin a call for each new blob, so many at once; memory holds one page of the listing at most."""
        pages = iter(self._storage.data.list_blobs(results_per_page=_PAGE).by_page())
        gone = set(self._failures)
        while (page := await asyncio.to_thread(_next_page, pages)) is not None:
            for blob in page:
                receipt = self._receipt(blob)
                gone.discard(receipt)
                if not self._is_new(blob.name, receipt):
                    continue
                await self._slots.acquire()
                if stopping.is_set():
                    return
                self._busy.add(receipt)
                calls.create_task(self._handle(blob, receipt))
        for receipt in gone:
            self._failures.pop(receipt, None)

    def _is_new(self, name: str, receipt: str) -> bool:
        if receipt in self._busy or _digest(receipt) in self._handled:
            return False
        return self._trigger.pattern.fullmatch(name) is not None

    async def _handle(self, blob: "BlobProperties", receipt: str) -> None:
        from azure.core.exceptions import AzureError

        try:
            if not await asyncio.to_thread(self._has_receipt, receipt):
                if not await self._call_or_give_up(blob, receipt):
                    return
                await asyncio.to_thread(self._write_receipt, receipt)
            self._handled[_digest(receipt)] = None
            if len(self._handled) > _REMEMBERED:
                self._handled.popitem(last=False)
        except AzureError as error:  # the host's own storage; the blob is new again at the next look
            _log.warning("blob '%s' will be looked at again: %s", blob.name, _one_line(error))
        finally:
            self._busy.discard(receipt)
            self._slots.release()

    async def _call_or_give_up(self, blob: "BlobProperties", receipt: str) -> bool:
        """Whether the blob is done with: its function succeeded, or failed for the last time."""
        failures = self._failures.get(receipt, 0)
        if failures < self._tries:
            reason = f"New blob detected: {self._trigger.container}/{blob.name}"
            if (await self._call(blob.name, reason=reason)).ok:
                self._failures.pop(receipt, None)
                return True
            failures = self._failures[receipt] = failures + 1
            _log.warning("try %d of %d failed for blob '%s'", failures, self._tries, blob.name)
        if failures < self._tries:
            return False
        await asyncio.to_thread(self._give_up, blob)
        del self._failures[receipt]
        _log.error("blob '%s' is given up: a message is on queue %s", blob.name, POISON_QUEUE)
        return True

    async def _call(self, name: str, *, reason: str) -> Outcome:
        trigger = self._trigger
        given = Input.blob(trigger.parameter, trigger.connection, trigger.container, name)
        return await self._worker.invoke(trigger.function, given, reason=reason)

    def _receipt(self, blob: "BlobProperties") -> str:
        return receipt_name(
            self._host_id, self._trigger.function.name, self._trigger.container, blob.name, blob.etag
        )

    def _has_receipt(self, receipt: str) -> bool:
        exists: bool = self._storage.hosts.get_blob_client(receipt).exists()
        return exists

    def _write_receipt(self, receipt: str) -> None:
        self._storage.hosts.upload_blob(receipt, b"", overwrite=True)

    def _give_up(self, blob: "BlobProperties") -> None:
        """Leave the message that the real host leaves."""
        from azure.core.exceptions import ResourceExistsError

        message = {
            "Type": "BlobTrigger",
            "FunctionId": f"Host.Functions.{self._trigger.function.name}",
            "BlobType": getattr(blob.blob_type, "value", blob.blob_type),
            "ContainerName": self._trigger.container,
            "BlobName": blob.name,
            "ETag": bare(blob.etag),
        }
        with contextlib.suppress(ResourceExistsError):
            self._storage.poison.create_queue()
        self._storage.poison.send_message(json.dumps(message))

    def _complain(self, what: str) -> None:
        """Say it once, not at every look."""
        if what != self._complained:
            _log.warning("%s: %s", self._trigger.function.name, what)
        self._complained = what


def _next_page(pages: Iterator[Iterator["BlobProperties"]]) -> list["BlobProperties"] | None:
    page = next(pages, None)
    return None if page is None else list(page)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _digest(receipt: str) -> bytes:
    return hashlib.blake2b(receipt.encode(), digest_size=16).digest()
