"""Scans a container for new blobs and queues a message for each.

What was queued is recorded in receipts, empty blobs in `azure-webjobs-hosts` whose names say function,
ETag, container and blob. Deleting one makes its blob new again when the host next starts.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dev.host.blob_messages import BlobMessage, quoted
from dev.host.blob_queue import WorkQueue
from dev.host.stopping import pause
from dev.host.triggers import BlobTrigger

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient

_log = logging.getLogger("Host.Triggers.Blob")

_REMEMBERED = 100_000
"""Queued blobs that are known without asking storage for their receipts."""

_PAGE = 2_000
"""Blobs per page of a listing: Azurite sorts all blobs for each page, and memory holds one page."""

_AT_ONCE = 8
"""Receipts that are checked concurrently."""

_LONGEST_BREAK = 5.0
"""Seconds: a scan of many blobs takes at most half of the time, but new ones do not wait for long."""

_INCOMPLETE = {"Incomplete": "Incomplete"}
"""Metadata of a receipt until its message is on the queue."""


def receipt_name(host_id: str, function: str, container: str, blob: str, etag: str) -> str:
    """Name of the receipt of a blob at one ETag, in `azure-webjobs-hosts`; `function` is its full id."""
    return f"blobreceipts/{host_id}/{function}/{quoted(etag)}/{container}/{blob}"


def is_called_for(name: str) -> bool:
    """Whether a scan ever calls for a blob of this name; .NET asks for the others by another name."""
    return not (name.startswith("/") or name.endswith("/") or {".", ".."} & set(name.split("/")))


class Scan:
    """Scans one container for one function; `data` is the container, `hosts` has the receipts."""

    def __init__(
        self,
        trigger: BlobTrigger,
        data: "ContainerClient",
        hosts: "ContainerClient",
        host_id: str,
        queue: WorkQueue,
        *,
        every: float,
    ) -> None:
        self._trigger = trigger
        self._data, self._hosts = data, hosts
        self._host_id = host_id
        self._queue = queue
        self._every = every
        self._queued: OrderedDict[bytes, None] = OrderedDict()
        self._complained = ""

    async def run(self, until: asyncio.Event) -> None:
        """Scan for new blobs at an interval."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        while True:
            began = time.monotonic()
            try:
                await self.look(until)
                self._complained = ""
            except ResourceNotFoundError:
                what = f"there is no container {self._data.container_name!r} yet: create it, or set its name"
                self._complain(what)
            except AzureError as error:
                self._complain(f"cannot list {self._data.container_name!r}: {error}")
            took = time.monotonic() - began
            if await pause(max(self._every, min(took, _LONGEST_BREAK)), until):
                return

    async def look(self, until: asyncio.Event) -> None:
        """Queue each blob that is new; memory holds one page of the listing at most."""
        pages = iter(self._data.list_blobs(results_per_page=_PAGE).by_page())
        while (page := await asyncio.to_thread(_next_page, pages)) is not None:
            new = [blob for blob in page if self._is_new(blob)]
            for start in range(0, len(new), _AT_ONCE):
                if until.is_set():
                    return
                queueing = (
                    asyncio.to_thread(self._queue_once, blob) for blob in new[start : start + _AT_ONCE]
                )
                await asyncio.gather(*queueing)

    def _is_new(self, blob: "BlobProperties") -> bool:
        matches = self._trigger.pattern.fullmatch(blob.name) and is_called_for(blob.name)
        return bool(matches) and _digest(self._receipt(blob)) not in self._queued

    def _receipt(self, blob: "BlobProperties") -> str:
        function = self._trigger.function.full_id
        return receipt_name(self._host_id, function, self._trigger.container, blob.name, blob.etag)

    def _queue_once(self, blob: "BlobProperties") -> None:
        """Put the message of a blob on the queue, unless its receipt says that it was."""
        from azure.core.exceptions import ResourceNotFoundError

        name = self._receipt(blob)
        receipt = self._hosts.get_blob_client(name)
        try:
            to_do = bool(receipt.get_blob_properties().metadata)  # of a host that was killed just here
        except ResourceNotFoundError:
            receipt.upload_blob(b"", metadata=_INCOMPLETE)
            to_do = True
        if to_do:
            kind = str(getattr(blob.blob_type, "value", blob.blob_type))
            function, container = self._trigger.function.full_id, self._trigger.container
            self._queue.put(BlobMessage(function, kind, container, blob.name, quoted(blob.etag)))
            receipt.set_blob_metadata({})
        self._queued[_digest(name)] = None
        if len(self._queued) > _REMEMBERED:
            self._queued.popitem(last=False)

    def _complain(self, what: str) -> None:
        """Log it once, not at every scan."""
        if what != self._complained:
            _log.warning("%s: %s", self._trigger.function.name, what)
        self._complained = what


def _next_page(pages: Iterator[Iterator["BlobProperties"]]) -> list["BlobProperties"] | None:
    page = next(pages, None)
    return None if page is None else list(page)


def _digest(receipt: str) -> bytes:
    return hashlib.blake2b(receipt.encode(errors="surrogatepass"), digest_size=16).digest()
