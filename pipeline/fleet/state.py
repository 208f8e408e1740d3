"""The fleet state: what all finished runs together say about each sensor, as one document.

    preds/_fleet/state.json.gz

It grows with sensors, not with runs: each sensor keeps its last days, episodes and arrivals. Days are most
of the document, so they stay bytes until a run changes them.
"""

import gzip
import io
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from pipeline.errors import FleetStateError
from pipeline.fleet.events import Event, Time
from pipeline.json_documents import DAMAGED, damage, read_document
from scoring.formats import FLEET_MOST_BYTES, FLEET_VERSION

MOST_DAYS = 60
"""Days with data that are kept for each sensor."""
MOST_EPISODES = 8
"""Closed episodes that are kept for each sensor, and as many that are too short for a message."""
MOST_ARRIVALS = 6
"""Last readings of runs that are kept for each sensor: they show how often it sends."""
MOST_RUNS = 1_000
"""Names of runs that are kept: a run is added by its worker or by the next sweep, so this is enough."""

_COMPRESSION = 1
"""Days compress well at any level, and a higher one takes several times as long."""
LONGEST_SECONDS = 1e9
"""Longest interval or gap: 30 years."""

type Seconds = Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SECONDS)]

_NO_DAYS = msgspec.Raw(b"[]")


class Day(NamedTuple):
    """A sensor on one UTC day."""

    date: str
    readings: int
    anomalies: int
    rejects: int
    run: str
    """The last run that brought some of it."""


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """Anomalous readings of a sensor that belong together, over all runs."""

    id: str
    start: Time
    end: Time
    readings: int
    """Number of anomalous readings."""
    peak_ts: Time
    peak_value: float
    peak_score: float | None
    """None if the reading is beyond the range of its model."""
    direction: str
    state: Literal["open", "closed"]
    run: str
    """The last run that brought some of it."""
    gap_s: Seconds
    """Anomalous readings no more seconds away belong to it."""
    announced: Literal["", "open", "closed"] = ""
    """Which of its events was made."""


class SensorState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one sensor."""

    device: str
    sensor: str
    last_reading: Time | None = None
    last_anomaly: Time | None = None
    interval_s: Seconds | None = None
    """How far apart its arrivals usually are: the low median of the last ones, in seconds of its readings."""
    gap_s: Seconds | None = None
    model: str | None = None
    """The SHA-256 of the model that last scored it."""
    model_since: Time | None = None
    model_seen: Time | None = None
    """When the last run with this model was created; what an older run says of the model is not news."""
    silent_since: Time | None = None
    """The time of its last reading, if it has been silent for too long."""
    silence_announced: bool = False
    no_model_announced: bool = False
    arrivals: tuple[Time, ...] = ()
    """The last readings of the last runs with readings of it, oldest first."""
    episodes: tuple[Episode, ...] = ()
    """Oldest first."""
    days: msgspec.Raw = _NO_DAYS
    """The JSON of its days, oldest first."""

    @property
    def key(self) -> tuple[str, str]:
        """Device and sensor."""
        return self.device, self.sensor

    def read_days(self) -> list[Day]:
        """Its days, oldest first. Raises FleetStateError."""
        try:
            found: list[Day] = _days.decode(self.days)
        except DAMAGED as error:
            where = f"the fleet state of sensor {self.device}/{self.sensor}"
            raise FleetStateError(f"{where} has damaged days ({damage(error)})") from error
        return found


class Hold(msgspec.Struct, frozen=True):
    """A sink that failed: nothing is sent to it before this time."""

    until: Time
    failures: int
    """How often in a row it failed."""
    reason: str = ""
    """Why it failed the last time."""


class FleetState(msgspec.Struct, frozen=True, kw_only=True):
    """The stored document."""

    version: int = FLEET_VERSION
    updated: Time | None = None
    """When the last run was added."""
    runs: tuple[str, ...] = ()
    """The runs that were applied last, oldest first."""
    failed: tuple[str, ...] = ()
    """The runs whose failure was announced last, oldest first."""
    sensors: tuple[SensorState, ...] = ()
    """By device and sensor."""
    silent_at: Time | None = None
    """When the fleet is silent, if nothing newer comes; None if it is, or if its readings were old."""
    silent_since: Time | None = None
    """The fleet's newest reading, if its silence was announced."""
    back_since: Time | None = None
    """Its newest reading when it was back."""
    outbox: tuple[Event, ...] = ()
    """Events that not all sinks have, oldest first."""
    holds: dict[str, Hold] = {}

    def __post_init__(self) -> None:
        for time in (self.updated, self.silent_at, self.silent_since, self.back_since):
            if time is not None:
                time.astimezone(UTC)  # OverflowError: a planted time that UTC does not have

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "FleetState":
        """The state in `data`, which was read from `where`.

        Raises:
            FleetStateError: it is damaged, or has another version.
        """
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                text = file.read(FLEET_MOST_BYTES + 1)
            if len(text) > FLEET_MOST_BYTES:
                raise FleetStateError(f"{where} unpacks to more than {FLEET_MOST_BYTES:,} bytes")
        except (OSError, EOFError, zlib.error) as error:
            raise FleetStateError(f"{where} is not a fleet state ({error}): the file is damaged") from error
        return read_document(
            text, cls, version=FLEET_VERSION, where=where, what="a fleet state", error=FleetStateError
        )

    def to_bytes(self) -> bytes:
        """The stored document; the same state gives the same bytes."""
        return gzip.compress(msgspec.json.encode(self), compresslevel=_COMPRESSION, mtime=0)


def with_events(outbox: Sequence[Event], events: Iterable[Event]) -> tuple[Event, ...]:
    """The outbox with these events, each once."""
    known = {event.id for event in outbox}
    return (*outbox, *(event for event in events if event.id not in known))


def encode_days(days: list[Day]) -> msgspec.Raw:
    """The stored form of a sensor's days."""
    return msgspec.Raw(msgspec.json.encode(days))


_days: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[Day])
