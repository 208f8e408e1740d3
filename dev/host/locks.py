"""Of all hosts with one id, the one that holds a lease fires a timer or scans for blobs.

A host releases its leases when it stops. One that is killed does not: nothing ticks and nothing is found
until they expire, as in Azure.
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
"""Seconds until storage is retried."""

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Work that needs the lock; returns soon after its event is set."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lease on an empty blob in the host's container; `seconds` are 15 to 60."""

    container: "ContainerClient"
    path: str
    seconds: int

    async def run(self, work: Work, stopping: asyncio.Event) -> None:
        """Do the work whenever this host holds the lock, until it stops.

        Work that a storage error interrupts starts again: the real host would exit and be restarted.
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
        """Work until this host stops or the lease is lost, then wait for running work."""
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
        """Renew the lease; returns once it is lost."""
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

        with contextlib.suppress(AzureError):  # it expires by itself
            lease.release()
