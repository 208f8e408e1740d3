"""Triggers, read from the raw bindings that the worker reports."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dev.host.errors import HostError
from dev.host.functions import Function
from dev.host.settings import connection_string, resolve
from pipeline.ncrontab import Schedule, WrongSchedule


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """Runs its function on a schedule."""

    function: Function
    parameter: str
    schedule: Schedule
    monitored: bool
    """Whether the status is kept in storage, so that a tick missed while the host was down is made up for."""
    at_start: bool


@dataclass(frozen=True, slots=True)
class BlobTrigger:
    """Runs its function for blobs that a scan finds or that events name."""

    function: Function
    parameter: str
    connection: str
    """Name of the setting."""
    connection_string: str
    container: str
    pattern: re.Pattern[str]
    """What the name of a blob in a scan must match."""
    source: str
    """`EventGrid` or `LogsAndContainerScan`."""

    @property
    def scans(self) -> bool:
        """Whether the container is scanned; otherwise events name the blobs."""
        return self.source != "EventGrid"


Trigger = TimerTrigger | BlobTrigger


def read_trigger(function: Function, settings: Mapping[str, str], *, blobs: bool) -> Trigger:
    """The trigger of `function`, with `%NAME%` replaced by settings.

    `blobs` says whether the app's extension bundle has blob triggers.

    Raises:
        HostError: this host does not support it, or it is invalid.
    """
    kinds: dict[str, Callable[[Function, Mapping[str, Any], Mapping[str, str]], Trigger]]
    kinds = {"timerTrigger": _timer} | ({"blobTrigger": _blob} if blobs else {})
    for binding in function.bindings:
        kind = str(binding.get("type"))
        try:
            if kind in kinds:
                return kinds[kind](function, binding, settings)
        except HostError as error:
            raise HostError(f"{function.name}: {error}") from error
    found = ", ".join(str(binding.get("type")) for binding in function.bindings)
    if found == "blobTrigger":
        raise HostError(
            f"{function.name}: binding type 'blobTrigger' is not registered: host.json needs the "
            "extensionBundle 'Microsoft.Azure.Functions.ExtensionBundle'"
        )
    raise HostError(
        f"{function.name}: this host supports only timer and blob triggers, not {found}; use 'func start'"
    )


def _timer(function: Function, binding: Mapping[str, Any], settings: Mapping[str, str]) -> TimerTrigger:
    expression = resolve(str(binding["schedule"]), settings)
    try:
        schedule = Schedule.parse(expression)
    except WrongSchedule as error:
        raise HostError(f"schedule {expression!r}: {error}") from error
    return TimerTrigger(
        function,
        parameter=str(binding["name"]),
        schedule=schedule,
        monitored=binding.get("useMonitor") is not False and not schedule.frequent,
        at_start=binding.get("runOnStartup") is True,
    )


def _blob(function: Function, binding: Mapping[str, Any], settings: Mapping[str, str]) -> BlobTrigger:
    if not (binding.get("properties") or {}).get("SupportsDeferredBinding"):
        raise HostError(
            "this host passes blobs as BlobClient of azurefunctions.extensions.bindings.blob only, "
            "not their content; use 'func start'"
        )
    path = resolve(str(binding["path"]), settings)
    container, slash, pattern = path.partition("/")
    if not (container and slash and pattern) or "{" in container:
        raise HostError(f"path {path!r} should be container/pattern, such as 'data/{{name}}'")
    connection = resolve(str(binding["connection"]), settings)
    return BlobTrigger(
        function,
        parameter=str(binding["name"]),
        connection=connection,
        connection_string=connection_string(connection, settings),
        container=container,
        pattern=_name_pattern(pattern),
        source=str(binding.get("source") or "LogsAndContainerScan"),
    )


def _name_pattern(path: str) -> re.Pattern[str]:
    """`{name}` matches any text on one line, including slashes, or none."""
    parts = re.split(r"\{[^{}]+\}", path)
    return re.compile(".*".join(map(re.escape, parts)))
