"""What the host is told: the settings and the host.json of an app."""

import hashlib
import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.host.errors import HostError

HOST_STORAGE = "AzureWebJobsStorage"
"""Name of the connection under which the host keeps its own things: receipts and timer status."""

HOST_ID = "AzureFunctionsWebHost__hostid"

_BLOBS_PER_CORE = 8  # the real host's default of maxDegreeOfParallelism
_POISON_THRESHOLD = 5


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What host.json says that this host heeds."""

    blobs_at_once: int
    poison_threshold: int


def load_host_options(app: Path) -> HostOptions:
    """Read host.json of the app in this folder."""
    path = app / "host.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise HostError(f"no host.json in {app}: this is not the folder of a function app") from error
    except ValueError as error:
        raise HostError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise HostError(f'{path}: expected "version": "2.0"')
    return HostOptions(
        blobs_at_once=_number(
            path, document, "extensions.blobs.maxDegreeOfParallelism", _BLOBS_PER_CORE * (os.cpu_count() or 1)
        ),
        poison_threshold=_number(path, document, "extensions.blobs.poisonBlobThreshold", _POISON_THRESHOLD),
    )


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Put settings in place of `%NAME%`; the worker leaves that to the host."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in settings:
            raise HostError(
                f"'%{name}%' does not resolve to a value: set {name} in local.settings.json or the shell"
            )
        return settings[name]

    return re.sub(r"%([^%]+)%", value, text)


def is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """Whether nothing triggers a function; it can be called out of turn all the same, as in Azure."""
    return settings.get(f"AzureWebJobs.{function}.Disabled", "").lower() in {"1", "true"}


def connection_string(name: str, settings: Mapping[str, str]) -> str:
    """The connection string called `name`."""
    if found := settings.get(name):
        return found
    raise HostError(
        f"no connection string {name}: set it in local.settings.json ('UseDevelopmentStorage=true' for "
        "Azurite); managed identities are for Azure, this host has none"
    )


def host_id(app: Path, settings: Mapping[str, str]) -> str:
    """What keeps apps that share a storage account apart; as given, or made from machine and folder."""
    if given := settings.get(HOST_ID):
        return given
    machine = re.sub(r"[^a-z0-9]", "", socket.gethostname().lower())[:20] or "host"
    return f"{machine}-{hashlib.sha256(str(app.resolve()).encode()).hexdigest()[:10]}"


def _look_up(document: Mapping[str, Any], path: str) -> Any:
    found: Any = document
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _number(path: Path, document: Mapping[str, Any], key: str, default: int) -> int:
    found = _look_up(document, key)
    if found is None:
        return default
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise HostError(f"{path}: {key} is {found!r}, expected a number from 1")
    return found
