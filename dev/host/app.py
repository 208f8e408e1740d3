"""One app in this host, from loading it to the end of its last call."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.host.blob_queue import QueueOptions
from dev.host.endpoints import Endpoints
from dev.host.errors import HostError
from dev.host.functions import Function
from dev.host.host_json import load_host_options
from dev.host.listeners import HostStorage, Listeners
from dev.host.settings import HOST_STORAGE, connection_string, host_id, is_disabled
from dev.host.triggers import TimerTrigger, Trigger, read_trigger
from dev.host.worker import Worker

_log = logging.getLogger("Host.Startup")

_LAST_WORDS = 10.0
"""Seconds that the host waits for running calls when it stops; longer ones are dropped."""


@dataclass(frozen=True, slots=True)
class Host:
    """An app and how to run it."""

    app: Path
    settings: Mapping[str, str]
    """As the app sees them: they must be in the process's environment too, where the app reads them."""
    look_every: float
    """Seconds between scans of a container."""
    hidden: int
    """Seconds until the message of a host that died is visible again."""
    lease: int
    """Seconds that a lock outlives a host that died."""
    port: int

    async def run(self, stopping: asyncio.Event) -> None:
        """Load the app, listen, and shut down gracefully when `stopping` is set.

        Raises:
            HostError: it cannot start, or cannot continue.
        """
        options = load_host_options(self.app)
        worker = Worker(self.app, options.time_limit)
        functions = await worker.start()
        dropped = True
        try:
            triggers, errors = self._triggers(functions, blobs=options.has_blob_triggers)
            identity = host_id(self.app, self.settings)
            storage = HostStorage(connection_string(HOST_STORAGE, self.settings), identity, self.lease)
            hosts = await asyncio.to_thread(storage.open)
            handling = QueueOptions(
                options.blobs_at_once, options.poison_threshold, self.hidden, self.look_every
            )
            listeners = Listeners(triggers, worker, storage, hosts, handling)
            disabled = {each.name for each in functions if is_disabled(each.name, self.settings)}
            runs = listeners.start(triggers, disabled, errors, stopping)
            with Endpoints(self.port, listeners.calls, listeners.queue.put, errors) as endpoints:
                for trigger in triggers:
                    _log.info("%s", _describe(trigger, disabled=trigger.function.name in disabled))
                for error in errors:
                    _log.error("A function failed indexing and is DISABLED. %s", error)
                _log.info("Host started at %s (host id %s)", endpoints.address, identity)
                dropped = await _until_stopped(runs, worker, stopping)
        finally:
            await worker.stop(kill=dropped)
        _log.info("Host stopped")

    def _triggers(self, functions: Sequence[Function], *, blobs: bool) -> tuple[list[Trigger], list[str]]:
        """The usable triggers, and the errors of the others."""
        if not functions:
            raise HostError(f"no functions in {self.app / 'function_app.py'}")
        triggers, errors = [], []
        for function in functions:
            try:
                triggers.append(read_trigger(function, self.settings, blobs=blobs))
            except HostError as error:
                errors.append(str(error))
        if not triggers:
            raise HostError("; ".join(errors))
        return triggers, errors


def _describe(trigger: Trigger, *, disabled: bool) -> str:
    name, but = trigger.function.name, "; disabled: nothing triggers it" if disabled else ""
    if isinstance(trigger, TimerTrigger):
        return f"{name}: timerTrigger, schedule '{trigger.schedule.expression}'{but}"
    how = "polled" if trigger.scans else "by events at /runtime/webhooks/blobs"
    return f"{name}: blobTrigger, container '{trigger.container}', {how}{but}"


async def _until_stopped(runs: Sequence[asyncio.Task[None]], worker: Worker, stopping: asyncio.Event) -> bool:
    """Run until the host stops, then wait for running calls; returns whether some were dropped.

    Raises:
        HostError: the worker is broken, which stops the host, as does any error of a listener.
    """
    broken = asyncio.gather(*runs, worker.broken)
    ends: list[asyncio.Future[Any]] = [broken, asyncio.ensure_future(stopping.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    _log.info("Stopping ...")
    _, late = await asyncio.wait(runs, timeout=_LAST_WORDS)
    for run in late:
        run.cancel()
    if broken.done():
        broken.result()
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)  # its own cancellation is expected
    return bool(late)
