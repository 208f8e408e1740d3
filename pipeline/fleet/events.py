"""Events: what is worth a message, once.

An event's id is made from what happened: the same happening has the same id, in any process and however
often it is delivered.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec

type Time = Annotated[datetime, msgspec.Meta(tz=True)]
type EventId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
"""It is part of the name of a blob."""


class EventKind(StrEnum):
    """What happened: the `type` of a CloudEvent."""

    EPISODE_OPENED = "fleetscoring.episode.opened"
    EPISODE_CLOSED = "fleetscoring.episode.closed"
    SENSOR_SILENT = "fleetscoring.sensor.silent"
    SENSOR_BACK = "fleetscoring.sensor.back"
    FLEET_SILENT = "fleetscoring.fleet.silent"
    FLEET_BACK = "fleetscoring.fleet.back"
    MODEL_MISSING = "fleetscoring.sensor.no-model"
    RUN_FAILED = "fleetscoring.run.failed"
    REJECTS = "fleetscoring.run.rejects"
    TEST = "fleetscoring.test"


OF_FLEET = frozenset({EventKind.FLEET_SILENT, EventKind.FLEET_BACK})
FLEET = ("*", "*")
"""What a mute must match to mute the fleet as a whole, such as the pattern `*`."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a sensor or a run."""

    id: EventId
    kind: EventKind
    subject: str
    """`device/sensor`, both percent-encoded, the name of the run, or `fleet`."""
    time: Time
    """When it was noticed."""
    run: str
    """The run that showed it: one message for people holds all events of a run."""
    data: dict[str, Any]
    done: tuple[str, ...] = ()
    """The sinks that have it, or have given it up."""

    @property
    def key(self) -> tuple[str, str] | None:
        """The sensor that it is about, or `FLEET`; None for a run."""
        if self.kind in OF_FLEET:
            return FLEET
        return (self.data["device"], self.data["sensor"]) if "device" in self.data else None


def make_event(
    kind: EventKind, subject: str, what: str, *, time: datetime, run: str, data: Mapping[str, Any]
) -> Event:
    """An event; `what` distinguishes it from others of its kind and subject."""
    digest = hashlib.sha256(f"{kind}\0{subject}\0{what}".encode()).hexdigest()
    return Event(id=digest[:32], kind=kind, subject=subject, time=time, run=run, data=dict(data))
