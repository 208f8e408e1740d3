"""The settings of an app, as the host reads them."""

import hashlib
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from dev.host.errors import HostError

HOST_STORAGE = "AzureWebJobsStorage"
"""Name of the connection under which the host keeps its own data: receipts, locks, timer status, queue."""

HOST_ID = "AzureFunctionsWebHost__hostid"


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Replace `%NAME%` by settings, once; the worker leaves that to the host."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in settings:
            raise HostError(
                f"'%{name}%' does not resolve to a value: set {name} in local.settings.json or the shell"
            )
        return settings[name]

    if text.count("%") % 2:
        raise HostError(f"{text!r}: a '%' does not have a closing '%'")
    return re.sub(r"%([^%]*)%", value, text)


def is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """Whether nothing triggers a function; it can still be called out of turn, as in Azure."""
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
    """Distinguishes apps that share a storage account; as configured, or derived from machine and folder."""
    if given := settings.get(HOST_ID):
        return given
    machine = re.sub(r"[^a-z0-9]", "", socket.gethostname().lower())[:20] or "host"
    return f"{machine}-{hashlib.sha256(str(app.resolve()).encode()).hexdigest()[:10]}"
