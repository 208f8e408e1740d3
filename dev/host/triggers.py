"""What makes a function run, read from the raw bindings that the worker reports."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dev.host.errors import HostError
from dev.host.ncrontab import Schedule, WrongSchedule
from dev.host.settings import resolve
from dev.host.worker import Function


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
    """Runs its function for each new blob, or new version of one."""

    function: Function
    parameter: str
    connection: str
    container: str
    pattern: re.Pattern[str]
    """What a blob's name must match."""
    event_grid: bool
    """In Azure events would come from Event Grid; here they are polled for all the same."""


Trigger = TimerTrigger | BlobTrigger


def read_trigger(function: Function, settings: Mapping[str, str]) -> Trigger:
    """The trigger of `function`, with settings put in place of `%NAME%`.

    Raises:
        HostError: there is none that this host knows, or it is wrong.
    """
    kinds: dict[str, Callable[[Function, Mapping[str, Any], Mapping[str, str]], Trigger]] = {
        "timerTrigger": _timer,
        "blobTrigger": _blob,
    }
    for binding in function.bindings:
        kind = str(binding.get("type"))
        try:
            if kind in kinds:
                return kinds[kind](function, binding, settings)
        except HostError as error:
            raise type(error)(f"{function.name}: {error}") from error
    found = ", ".join(str(binding.get("type")) for binding in function.bindings)
    raise HostError(
        f"{function.name}: this host knows timer and blob triggers only, not {found}; use 'func start'"
    )


def _timer(function: Function, binding: Mapping[str, Any], settings: Mapping[str, str]) -> TimerTrigger:
    expression = resolve(str(binding["schedule"]), settings)
    if expression.count(":") and len(expression.split()) == 1:
        raise WrongSchedule(
            f"schedule {expression!r} is a time span, which Azure takes on App Service plans only: "
            "write an NCRONTAB expression, such as '0 0 * * * *' for each hour"
        )
    return TimerTrigger(
        function,
        parameter=str(binding["name"]),
        schedule=Schedule.parse(expression),
        monitored=binding.get("useMonitor") is not False,
        at_start=binding.get("runOnStartup") is True,
    )


def _blob(function: Function, binding: Mapping[str, Any], settings: Mapping[str, str]) -> BlobTrigger:
    if not (binding.get("properties") or {}).get("SupportsDeferredBinding"):
        raise HostError(
            "this host hands over blobs as BlobClient of azurefunctions.extensions.bindings.blob only, "
            "not their content; use 'func start'"
        )
    path = resolve(str(binding["path"]), settings)
    container, slash, pattern = path.partition("/")
    if not (slash and pattern) or "{" in container:
        raise HostError(f"path {path!r} should be container/pattern, such as 'data/{{name}}'")
    return BlobTrigger(
        function,
        parameter=str(binding["name"]),
        connection=resolve(str(binding["connection"]), settings),
        container=container,
        pattern=_name_pattern(pattern),
        event_grid=binding.get("source") == "EventGrid",
    )


def _name_pattern(path: str) -> re.Pattern[str]:
    """`{name}` stands for any text, slashes too, as in the real host."""
    parts = re.split(r"\{[^{}]+\}", path)
    return re.compile(".+".join(map(re.escape, parts)), re.DOTALL)
