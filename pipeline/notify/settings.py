"""The settings of notifications: one document in the runs container, which steps cannot write.

    runs/notify.json

It says what is worth a message, what is muted, and where messages go. It holds no secret: a sink names the
app settings that hold its address or its key, which can be references to Key Vault.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

from pipeline.clock import in_utc
from pipeline.errors import AlreadyExists, Changed, NotFound, NotifyError
from pipeline.json_documents import read_document, to_json
from pipeline.settings import Settings
from pipeline.storage.container import Container

if TYPE_CHECKING:
    from pipeline.fleet.announce import Rules
    from pipeline.fleet.events import EventKind

PATH = "notify.json"
VERSION = 1
PREFIX = "NOTIFY_"
"""How the names of app settings begin that a sink can name: no other setting can be sent anywhere."""

_LONGEST_SECONDS = 366 * 24 * 3600
_TRIES = 10
_CORRECT = "correct it; the stored settings stay as they are"
_WRITE_AGAIN = (
    "write it again with python -m pipeline notify --set FILE, where FILE also lists the mutes: "
    "those that are stored cannot be kept"
)


class SinkKind(StrEnum):
    """Where a sink sends to."""

    WEBHOOK = "webhook"
    QUEUE = "queue"
    EVENT_GRID = "event-grid"


class Format(StrEnum):
    """What a webhook gets."""

    CLOUD_EVENTS = "cloudevents"
    """Each event as one message."""
    TEAMS = "teams"
    SLACK = "slack"
    """These two: one message for people per run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """One receiver of messages."""

    name: str
    kind: SinkKind
    format: Format = Format.CLOUD_EVENTS
    url: str | None = None
    """The address, where it is no secret."""
    url_setting: str | None = None
    """Name of the app setting that holds the address; those of Teams and Slack are secrets."""
    secret_setting: str | None = None
    """Name of the app setting with the key that signs messages: `whsec_` and base64."""
    queue: str | None = None
    """Name of the storage queue."""
    kinds: tuple[str, ...] = ()
    """The kinds of events that it gets; none for all."""

    def __post_init__(self) -> None:
        if not (self.name and len(self.name) <= 64 and self.name.replace("-", "").isalnum()):  # noqa: PLR2004
            raise ValueError("the name of a sink must be up to 64 letters, digits and hyphens")
        if self.kind is SinkKind.QUEUE and not self.queue:
            raise ValueError(f"sink {self.name} needs the name of a queue")
        for name in (self.url_setting, self.secret_setting):
            if name is not None and not name.startswith(PREFIX):
                raise ValueError(f"sink {self.name}: the name of its setting must begin with {PREFIX}")
        if self.kind is not SinkKind.QUEUE and (self.url is None) == (self.url_setting is None):
            raise ValueError(f"sink {self.name} needs either url or url_setting")

    def wants(self, kind: "EventKind") -> bool:
        """Whether it gets events of this kind."""
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Sensors about which no messages are sent for a while."""

    pattern: str
    """`device/sensor`, with `*` and `?`."""
    until: datetime
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "until", in_utc(self.until))

    def matches(self, key: tuple[str, str]) -> bool:
        """Whether it is about this sensor."""
        text = "/".join(key)
        return text == self.pattern or fnmatchcase(text, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """The stored document."""

    least_seconds: float = 0
    """An episode that is shorter is not announced."""
    cool_down_seconds: float = 3600
    """For this time after an announced episode of a sensor, no other one is announced."""
    mutes: tuple[Mute, ...] = ()
    sinks: tuple[Sink, ...] = ()

    def __post_init__(self) -> None:
        for name in ("least_seconds", "cool_down_seconds"):
            if not 0 <= getattr(self, name) <= _LONGEST_SECONDS:
                raise ValueError(f"{name} must be from 0 to {_LONGEST_SECONDS:,}")
        names = [sink.name for sink in self.sinks]
        if len(set(names)) < len(names):
            raise ValueError("two sinks have the same name")

    @classmethod
    def from_bytes(cls, data: bytes, where: str, *, by_hand: bool = False) -> Self:
        """The settings in `data`, which was read from `where`; `by_hand` is a file that a person wrote.

        Raises:
            NotifyError: the document is damaged or wrong.
        """
        from pipeline.fleet.events import EventKind

        found = read_document(
            data,
            cls,
            version=VERSION,
            where=where,
            what="a document of notification settings",
            hint=_CORRECT if by_hand else _WRITE_AGAIN,
            error=NotifyError,
            by_hand=by_hand,
        )
        known = {kind.value for kind in EventKind}
        for sink in found.sinks:
            if unknown := set(sink.kinds) - known:
                expected = ", ".join(sorted(known))
                raise NotifyError(f"{where}: sink {sink.name} wants {min(unknown)!r}; kinds are {expected}")
        return found

    def to_bytes(self) -> bytes:
        """The stored document."""
        document = {"version": VERSION, **to_json(self)}
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

    def rules(self, settings: Settings, now: datetime) -> "Rules":
        """What is worth a message now."""
        from pipeline.fleet.announce import Rules

        return Rules(
            least_readings=settings.episode_least,
            least_duration=timedelta(seconds=self.least_seconds),
            cool_down=timedelta(seconds=self.cool_down_seconds),
            silent_after=settings.silent_after,
            is_muted=self.muted(now),
        )

    def muted(self, now: datetime) -> Callable[[tuple[str, str]], bool]:
        """Which sensors are muted now."""
        mutes = [mute for mute in self.mutes if mute.until > now]
        return lambda key: any(mute.matches(key) for mute in mutes)


def read_notify_settings(runs: Container) -> NotifySettings:
    """The stored settings; the default ones, without sinks, if there are none.

    Raises:
        NotifyError: they are damaged or wrong.
    """
    return _read(runs)[0]


def read_rules(runs: Container, settings: Settings, now: datetime) -> "Rules":
    """What is worth a message now; a wrong document mutes nothing, and delivery and `doctor` report it."""
    try:
        found = read_notify_settings(runs)
    except NotifyError:
        found = NotifySettings()
    return found.rules(settings, now)


def write_notify_settings(runs: Container, data: bytes, where: str) -> tuple[NotifySettings, int]:
    """Replace the settings by a document, which was read from `where`; returns what is stored now.

    A document without a list of mutes keeps the stored ones; the number is how many.

    Raises:
        NotifyError: it is wrong, or does not list mutes and the stored ones cannot be read; the stored
            document stays.
    """
    found = NotifySettings.from_bytes(data, where, by_hand=True)
    if "mutes" in json.loads(data):
        runs.put(PATH, found.to_bytes())
        return found, 0
    written = _change(runs, lambda stored: replace(found, mutes=stored.mutes))
    return written, len(written.mutes)


def add_mute(runs: Container, mute: Mute, now: datetime) -> None:
    """Mute sensors; it replaces a mute of the same pattern, and those that have ended leave."""

    def change(settings: NotifySettings) -> NotifySettings:
        others = [each for each in settings.mutes if each.pattern != mute.pattern and each.until > now]
        return replace(settings, mutes=(*others, mute))

    _change(runs, change)


def remove_mute(runs: Container, pattern: str) -> bool:
    """End the mute of this pattern; False if there is none."""
    if all(mute.pattern != pattern for mute in read_notify_settings(runs).mutes):
        return False

    def change(settings: NotifySettings) -> NotifySettings:
        return replace(settings, mutes=tuple(each for each in settings.mutes if each.pattern != pattern))

    _change(runs, change)
    return True


def setting(environ: Mapping[str, str], name: str, sink: Sink) -> str:
    """The value of an app setting that a sink names.

    Raises:
        NotifyError: it has no value, or Key Vault did not give it out.
    """
    value = environ.get(name, "").strip()
    if not value:
        raise NotifyError(f"sink {sink.name}: the setting {name} has no value: set it, and restart the app")
    if value.startswith("@Microsoft.KeyVault("):  # the platform replaces it, unless it may not read it
        raise NotifyError(
            f"sink {sink.name}: the reference to Key Vault in {name} is not resolved: "
            "let the identity of the app read the secret"
        )
    return value


def _read(runs: Container) -> tuple[NotifySettings, str | None]:
    try:
        content = runs.read(PATH)
    except NotFound:
        return NotifySettings(), None
    return NotifySettings.from_bytes(content.data, f"{runs.name}/{PATH}"), content.etag


def _change(runs: Container, change: Callable[[NotifySettings], NotifySettings]) -> NotifySettings:
    for _ in range(_TRIES):
        settings, etag = _read(runs)
        changed = change(settings)
        data = changed.to_bytes()
        try:
            if etag is None:
                runs.create(PATH, data)
            else:
                runs.replace(PATH, data, etag)
        except (AlreadyExists, Changed):
            continue
        return changed
    raise NotifyError(f"{runs.name}/{PATH} is not updated: other processes keep writing it; try again")
