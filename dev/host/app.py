"""One app in this host, from loading it to the end of its last call."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.host.admin import AdminServer, CallFunction, WrongInput
from dev.host.blobs import HOSTS_CONTAINER, POISON_QUEUE, BlobListener, Storage
from dev.host.errors import HostError
from dev.host.settings import (
    HOST_STORAGE,
    HostOptions,
    connection_string,
    host_id,
    is_disabled,
    load_host_options,
)
from dev.host.timers import BlobStatusStore, TimerListener
from dev.host.triggers import BlobTrigger, TimerTrigger, Trigger, read_trigger
from dev.host.worker import Worker

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, ContainerClient

_log = logging.getLogger("Host.Startup")

_LAST_WORDS = 10.0
"""Seconds that calls in progress are given when the host stops."""


@dataclass(frozen=True, slots=True)
class Host:
    """An app and how to run it."""

    app: Path
    settings: Mapping[str, str]
    """As the app sees them: they must be in the process's environment too, where the app reads them."""
    look_every: float
    """Seconds between two looks at a container."""
    port: int

    async def run(self, stopping: asyncio.Event) -> None:
        """Load the app, listen, and end in good order when `stopping` is set.

        Raises:
            HostError: it cannot start.
        """
        options = load_host_options(self.app)
        worker = Worker(self.app)
        triggers = [read_trigger(function, self.settings) for function in await worker.start()]
        if not triggers:
            raise HostError(f"no functions in {self.app / 'function_app.py'}")
        hosts = await asyncio.to_thread(_open_hosts_container, connection_string(HOST_STORAGE, self.settings))
        try:
            await self._listen(triggers, worker, options, hosts, stopping)
        finally:
            await asyncio.to_thread(worker.stop)

    async def _listen(
        self,
        triggers: list[Trigger],
        worker: Worker,
        options: HostOptions,
        hosts: "ContainerClient",
        stopping: asyncio.Event,
    ) -> None:
        identity = host_id(self.app, self.settings)
        store = BlobStatusStore(hosts, identity)
        functions: dict[str, CallFunction] = {}
        runs = []
        run: Callable[[], Coroutine[Any, Any, None]]
        for trigger in triggers:
            if isinstance(trigger, TimerTrigger):
                timer = TimerListener(trigger, worker, store, lambda: datetime.now(UTC), stopping)
                functions[trigger.function.name] = _ticker(timer)
                run = timer.run
            else:
                listener = BlobListener(
                    trigger,
                    worker,
                    self._storage(trigger, hosts),
                    identity,
                    at_once=options.blobs_at_once,
                    tries=options.poison_threshold,
                )
                functions[trigger.function.name] = _blob_caller(listener, trigger)
                run = partial(listener.run, self.look_every, stopping)
            if is_disabled(trigger.function.name, self.settings):
                _log.info("%s is disabled: nothing triggers it", trigger.function.name)
            else:
                runs.append(run())
        with AdminServer(functions, self.port) as admin:
            for trigger in triggers:
                _log.info("%s", _describe(trigger))
            _log.info("Host started at %s (host id %s)", admin.address, identity)
            await _until_stopped([asyncio.ensure_future(each) for each in runs], stopping)
        _log.info("Host stopped")

    def _storage(self, trigger: BlobTrigger, hosts: "ContainerClient") -> Storage:
        """The clients of a trigger; its poison queue is in the account of its blobs, as in the real host."""
        from azure.storage.queue import QueueClient, TextBase64EncodePolicy

        connection = connection_string(trigger.connection, self.settings)
        poison = QueueClient.from_connection_string(
            connection, POISON_QUEUE, message_encode_policy=TextBase64EncodePolicy()
        )
        return Storage(_blob_service(connection).get_container_client(trigger.container), hosts, poison)


def _blob_service(connection: str) -> "BlobServiceClient":
    from azure.storage.blob import BlobServiceClient, LinearRetry

    retries = LinearRetry(backoff=1, retry_total=2, random_jitter_range=0)
    try:
        return BlobServiceClient.from_connection_string(connection, retry_policy=retries)
    except ValueError as error:
        raise HostError(f"a connection string cannot be read: {error}") from error


def _open_hosts_container(connection: str) -> "ContainerClient":
    from azure.core.exceptions import AzureError, ResourceExistsError

    container = _blob_service(connection).get_container_client(HOSTS_CONTAINER)
    try:
        container.create_container()
    except ResourceExistsError:
        pass
    except AzureError as error:
        what = " ".join(str(error).split())[:200]
        raise HostError(
            f"cannot reach {HOST_STORAGE} at {container.primary_endpoint}: {what}; is Azurite running?"
        ) from error
    return container


def _ticker(timer: TimerListener) -> CallFunction:
    async def tick(_given: str) -> None:
        await timer.fire_now()

    return tick


def _blob_caller(listener: BlobListener, trigger: BlobTrigger) -> CallFunction:
    async def call(given: str) -> None:
        container, _, name = given.partition("/")
        if container != trigger.container or not name:
            raise WrongInput(f'"input" should be "{trigger.container}/<name of a blob>", not {given!r}')
        await listener.call_for(name)

    return call


def _describe(trigger: Trigger) -> str:
    name = trigger.function.name
    if isinstance(trigger, TimerTrigger):
        return f"{name}: timerTrigger, schedule '{trigger.schedule.expression}'"
    how = "polled here in place of Event Grid" if trigger.event_grid else "polled"
    return f"{name}: blobTrigger, container '{trigger.container}', {how}"


async def _until_stopped(runs: list[asyncio.Future[None]], stopping: asyncio.Event) -> None:
    """Run until told to stop, then let calls in progress end; a listener that breaks stops the host."""

    async def told() -> None:
        await stopping.wait()

    await asyncio.wait([asyncio.ensure_future(told()), *runs], return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    _log.info("Stopping ...")
    done, late = await asyncio.wait(runs, timeout=_LAST_WORDS) if runs else (set(), set())
    for run in late:
        run.cancel()
    for run in done:
        run.result()
