"""Listeners for an app's triggers, and calls out of turn."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dev.host.blob_messages import open_queue, work_queue
from dev.host.blob_queue import QueueOptions, WorkQueue
from dev.host.blob_scan import Scan
from dev.host.endpoints import Call, WrongInput
from dev.host.errors import HostError
from dev.host.functions import Function
from dev.host.locks import Lock
from dev.host.settings import HOST_STORAGE
from dev.host.timers import Clock, StatusStore, TimerListener
from dev.host.triggers import BlobTrigger, TimerTrigger, Trigger
from dev.host.worker import Worker

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.storage.blob import BlobServiceClient, ContainerClient

_log = logging.getLogger("Host.Startup")

HOSTS_CONTAINER = "azure-webjobs-hosts"
_OUT_OF_TURN = "This function was programmatically called via the host APIs."

Running = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class HostStorage:
    """Where the host keeps its own data."""

    connection: str
    host_id: str
    lease: int
    """Seconds that a lock outlives a host that died."""

    def open(self) -> "ContainerClient":
        """Make the host's container and its work queue.

        Raises:
            HostError: storage does not answer.
        """
        from azure.core.exceptions import AzureError, ResourceExistsError

        container = blob_service(self.connection).get_container_client(HOSTS_CONTAINER)
        queue = open_queue(self.connection, work_queue(self.host_id))
        for make in (container.create_container, queue.create_queue):
            try:
                make()
            except ResourceExistsError:
                pass
            except AzureError as error:
                raise _unreachable(container.primary_endpoint, error) from error
        return container


class Listeners:
    """Of the triggers of an app; `hosts` is the container that `storage` opened."""

    def __init__(
        self,
        triggers: Sequence[Trigger],
        worker: Worker,
        storage: HostStorage,
        hosts: "ContainerClient",
        handling: QueueOptions,
    ) -> None:
        self.calls: dict[str, Call] = {}
        """Functions by name, to be called out of turn."""
        self._storage, self._worker, self._hosts, self._handling = storage, worker, hosts, handling
        blobs = [trigger for trigger in triggers if isinstance(trigger, BlobTrigger)]
        self._accounts = {blob.connection: blob_service(blob.connection_string) for blob in blobs}
        self.queue = WorkQueue(
            open_queue(storage.connection, work_queue(storage.host_id)),
            worker,
            {blob.function.full_id: blob for blob in blobs},
            self._accounts,
            handling,
        )

    def start(
        self, triggers: Sequence[Trigger], disabled: set[str], errors: list[str], stopping: asyncio.Event
    ) -> list[asyncio.Task[None]]:
        """Listen for all enabled triggers; `errors` collects those that turn out not to work."""
        runs, scans = [self.queue.run(stopping)], []
        for trigger in triggers:
            name = trigger.function.name
            if isinstance(trigger, TimerTrigger):
                store = StatusStore(self._hosts, self._storage.host_id)
                timer = TimerListener(trigger, self._worker, store, Clock())
                self.calls[name] = _timer_call(timer, stopping)
                if name not in disabled:
                    lock = self._lock(f"{trigger.function.full_id}.Listener")
                    runs.append(_loudly(trigger.function, lock.run(timer.run, stopping), errors))
            else:
                self.calls[name] = _blob_call(self.queue, trigger)
                if name not in disabled and trigger.scans:
                    scans.append(self._scan(trigger))
        if scans:
            runs.append(self._lock("WebJobs.Internal.Blobs.Listener").run(_all(scans), stopping))
        return [asyncio.create_task(run) for run in runs]

    def _scan(self, trigger: BlobTrigger) -> Scan:
        data = self._accounts[trigger.connection].get_container_client(trigger.container)
        every = self._handling.look_every
        return Scan(trigger, data, self._hosts, self._storage.host_id, self.queue, every=every)

    def _lock(self, name: str) -> Lock:
        return Lock(self._hosts, f"locks/{self._storage.host_id}/{name}", self._storage.lease)


def blob_service(connection: str) -> "BlobServiceClient":
    """The client of an account.

    Raises:
        HostError: this is not a connection string.
    """
    from azure.storage.blob import BlobServiceClient, LinearRetry

    retries = LinearRetry(backoff=1, retry_total=2, random_jitter_range=0)
    try:
        return BlobServiceClient.from_connection_string(connection, retry_policy=retries)
    except ValueError as error:
        raise HostError(f"a connection string cannot be read: {error}") from error


def _unreachable(address: str, error: "AzureError") -> HostError:
    what = " ".join(str(error).split())[:200]
    return HostError(f"cannot reach {HOST_STORAGE} at {address}: {what}; is Azurite running?")


async def _loudly(function: Function, run: Running, errors: list[str]) -> None:
    """A listener that cannot start disables its function; the others continue."""
    try:
        await run
    except HostError as error:
        errors.append(f"{function.name}: {error}")
        _log.error("The listener for function '%s' was unable to start: %s", function.name, error)


def _all(scans: Sequence[Scan]) -> Any:
    async def run(until: asyncio.Event) -> None:
        await asyncio.gather(*(scan.run(until) for scan in scans))

    return run


def _timer_call(timer: TimerListener, stopping: asyncio.Event) -> Call:
    def call(_given: str, invocation: str) -> Coroutine[Any, Any, object]:
        return timer.call(_OUT_OF_TURN, invocation, stopping)

    return call


def _blob_call(queue: WorkQueue, trigger: BlobTrigger) -> Call:
    def call(given: str, invocation: str) -> Coroutine[Any, Any, object]:
        container, _, name = given.partition("/")
        if not (container and name):
            raise WrongInput(f'expected a blob, such as {{"input": "{trigger.container}/name.csv"}}')
        return queue.call(trigger, container, name, reason=_OUT_OF_TURN, invocation=invocation)

    return call
