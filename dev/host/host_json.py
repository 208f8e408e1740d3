"""host.json, rejected where the real host goes into state Error."""

import json
import logging
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from dev.host.errors import HostError

_log = logging.getLogger("Host.Startup")

_BLOBS_PER_CORE = 8  # the real host's default of maxDegreeOfParallelism
_POISON_THRESHOLD = 5
_TIME_LIMIT = timedelta(minutes=30)  # the real host's default, except on the Consumption plan
_LEVELS = {"trace", "debug", "information", "warning", "error", "critical", "none"}
_TELEMETRY = {"applicationinsights", "opentelemetry"}
_BUNDLE = "microsoft.azure.functions.extensionbundle"
_NEWEST_BUNDLE = (5, 0, 0)
"""Above all existing bundles."""

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
_TIME_SPAN = re.compile(r"(?:(\d{1,7})\.)?([01]?\d|2[0-3]):([0-5]?\d):([0-5]?\d)(?:\.\d{1,7})?")
_VERSION = r"(\d+)(?:\.(\d+|\*))?(?:\.(\d+|\*))?"
_RANGE = re.compile(rf"[\[(]\s*{_VERSION}\s*,\s*(?:{_VERSION})?\s*[\])]|\[?{_VERSION}\]?")


@dataclass(frozen=True, slots=True)
class HostOptions:
    """The part of host.json that this host uses."""

    blobs_at_once: int
    poison_threshold: int
    time_limit: timedelta | None
    """Of each call."""
    has_blob_triggers: bool
    """Whether the extension bundle has them; without it, only timers work."""


def load_host_options(app: Path) -> HostOptions:
    """Read host.json of the app in this folder; unknown keys are ignored, as in the real host.

    Raises:
        HostError: the real host would not load any function with it.
    """
    path = app / "host.json"
    try:
        document = _Document(path, _parse(path.read_text(encoding="utf-8-sig")))
    except FileNotFoundError as error:
        raise HostError(f"no host.json in {app}: this is not the folder of a function app") from error
    except ValueError as error:
        raise HostError(f"{path} is not JSON: {error}") from error
    if document.at("version") != "2.0":
        raise HostError(f'{path}: expected "version": "2.0"')
    _check_logging(document)
    return HostOptions(
        blobs_at_once=document.number(
            "extensions.blobs.maxDegreeOfParallelism", _BLOBS_PER_CORE * (os.cpu_count() or 1)
        ),
        poison_threshold=document.number("extensions.blobs.poisonBlobThreshold", _POISON_THRESHOLD),
        time_limit=document.time_limit(),
        has_blob_triggers=_has_blob_triggers(document),
    )


def _parse(text: str) -> Any:
    """JSON with comments and trailing commas."""
    for pattern in (_COMMENT, _TRAILING_COMMA):
        text = pattern.sub(lambda match: match[1] or "", text)
    return json.loads(text)


@dataclass(frozen=True, slots=True)
class _Document:
    path: Path
    content: Any

    def at(self, key: str) -> Any:
        """The value at a dotted key, if any."""
        found = self.content
        for name in key.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def wrong(self, key: str, expected: str) -> HostError:
        return HostError(f"{self.path}: {key} is {self.at(key)!r}, expected {expected}")

    def number(self, key: str, default: int) -> int:
        found = self.at(key)
        if found is None:
            return default
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise self.wrong(key, "a number from 1")
        return found

    def time_limit(self) -> timedelta | None:
        key = "functionTimeout"
        found = self.at(key)
        if found is None:
            return _TIME_LIMIT
        if str(found) == "-1":
            return None
        match = _TIME_SPAN.fullmatch(str(found))
        if match:
            days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
            if limit := timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds):
                return limit
        raise self.wrong(key, "a time span above zero such as '00:10:00', or -1 for no limit")


def _check_logging(document: _Document) -> None:
    levels = document.at("logging.logLevel")
    for category, level in levels.items() if isinstance(levels, dict) else ():
        if str(level).lower() not in _LEVELS:
            raise HostError(
                f"{document.path}: logging.logLevel of {category} is {level!r}, expected one of "
                f"{', '.join(sorted(_LEVELS))}"
            )
    telemetry = document.at("telemetryMode")
    if telemetry is not None and str(telemetry).lower() not in _TELEMETRY:
        _log.warning("host.json: telemetryMode %r is not known: Azure takes ApplicationInsights", telemetry)


def _has_blob_triggers(document: _Document) -> bool:
    identity, versions = document.at("extensionBundle.id"), document.at("extensionBundle.version")
    if identity is None:
        return False
    if not str(identity).strip() or " " in str(identity):
        raise document.wrong("extensionBundle.id", "an id such as Microsoft.Azure.Functions.ExtensionBundle")
    match = _RANGE.fullmatch(str(versions).strip())
    if not match or not _satisfiable(match):
        raise document.wrong("extensionBundle.version", "a range of versions such as '[4.*, 5.0.0)'")
    return str(identity).lower().startswith(_BUNDLE)


def _satisfiable(match: re.Match[str]) -> bool:
    """Whether any bundle is in a range; a single version is one."""
    numbers = [0 if part in {None, "*"} else int(part) for part in match.groups()]
    if match[7] is not None:
        return tuple(numbers[6:]) < _NEWEST_BUNDLE
    low, high = tuple(numbers[:3]), tuple(numbers[3:6]) if match[4] else _NEWEST_BUNDLE
    return low < min(high, _NEWEST_BUNDLE)
