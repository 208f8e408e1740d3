"""One of all hosts with an id fires a timer, and one looks for blobs: the one that holds a lease.

A host that ends gives its leases back. One that is killed does not: nothing ticks and nothing is found until
they run out, as in Azure.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dev.host.stopping import pause

if TYPE_CHECKING:
    from azure.storage.blob import BlobLeaseClient, ContainerClient

_log = logging.getLogger("Host.Singleton")

_AFTER_AN_ERROR = 1.0
"""Seconds until storage is tried again."""

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""What needs the lock; ends soon after the event that it is given is set."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lease on an empty blob in the host's container; `seconds` are 15 to 60."""

    container: "ContainerClient"
    path: str
    seconds: int

    async def run(self, work: Work, stopping: asyncio.Event) -> None:
        """Do the work whenever this host holds the lock, until it stops.

        Work that storage breaks off begins anew: the real host would end, and be started again.
        """
        from azure.core.exceptions import AzureError

        complained = ""
        while not stopping.is_set():
            try:
                if lease := await asyncio.to_thread(self._acquire):
                    complained, wait = "", 0.0
                    await self._hold(lease, work, stopping)
                else:
                    complaint, wait = "another host has it, or had it when it died", float(self.seconds)
            except AzureError as error:
                complaint, wait = str(error), _AFTER_AN_ERROR
            if wait and complaint != complained:
                complained = complaint
                _log.warning("Waiting for the lock %s: %s", self.path, complaint)
            if wait and await pause(wait, stopping):
                return

    async def _hold(self, lease: "BlobLeaseClient", work: Work, stopping: asyncio.Event) -> None:
        """Work until this host stops or the lease is lost; what has begun is waited for."""
        until = asyncio.Event()
        working = asyncio.create_task(work(until))
        others = [asyncio.create_task(self._renew(lease)), asyncio.create_task(stopping.wait())]
        try:
            await asyncio.wait([working, *others], return_when=asyncio.FIRST_COMPLETED)
            until.set()
            await working
        finally:
            for task in (working, *others):
                task.cancel()
            await asyncio.to_thread(self._release, lease)

    async def _renew(self, lease: "BlobLeaseClient") -> None:
        """Keep the lease; returns once it is lost."""
        from azure.core.exceptions import AzureError

        renewed = time.monotonic()
        while time.monotonic() - renewed < self.seconds:
            await asyncio.sleep(self.seconds / 2 if time.monotonic() - renewed < 1 else 1)
            try:
                await asyncio.to_thread(lease.renew)
                renewed = time.monotonic()
            except AzureError as error:
                _log.warning("cannot renew the lock %s: %s", self.path, error)

    def _acquire(self) -> "BlobLeaseClient | None":
        from azure.core.exceptions import ResourceExistsError

        blob = self.container.get_blob_client(self.path)
        try:
            with contextlib.suppress(ResourceExistsError):
                blob.upload_blob(b"")
            return blob.acquire_lease(self.seconds)
        except ResourceExistsError:  # another holds it
            return None

    def _release(self, lease: "BlobLeaseClient") -> None:
        from azure.core.exceptions import AzureError

        with contextlib.suppress(AzureError):  # it runs out by itself
            lease.release()
