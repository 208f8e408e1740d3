"""The fleet state as the page of a fleet reads it."""

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scoring.errors import ScoringError
from scoring.formats import FLEET_MOST_BYTES, FLEET_VERSION
from scoring.json_files import Document


@dataclass(frozen=True, slots=True)
class StateEpisode:
    """An episode of a sensor as the fleet state has it."""

    start: str
    end: str
    readings: int
    state: str
    run: str


class StateDay(NamedTuple):
    """A sensor's day in the fleet state."""

    date: str
    readings: int
    anomalies: int
    rejected: int
    run: str


@dataclass(frozen=True, slots=True)
class StateSensor:
    """A sensor in the fleet state."""

    device: str
    sensor: str
    last_reading: str | None = None
    last_anomaly: str | None = None
    model: str | None = None
    model_since: str | None = None
    silent_since: str | None = None
    episodes: tuple[StateEpisode, ...] = ()
    days: tuple[StateDay, ...] = ()

    @property
    def open(self) -> StateEpisode | None:
        """The episode that the next landing can continue."""
        return next((each for each in self.episodes if each.state == "open"), None)


@dataclass(frozen=True, slots=True)
class FleetState:
    """What is known of a fleet after its last run; `updated` is when that run was added."""

    sensors: tuple[StateSensor, ...]
    updated: str | None = None

    @staticmethod
    def read(path: Path) -> "FleetState":
        """The state in a JSON file, which can be gzipped; unknown names are ignored.

        Raises:
            ScoringError: the file is not the state of a fleet.
        """
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            try:
                with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                    content = file.read(FLEET_MOST_BYTES + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise ScoringError(f"{path} is a damaged gzip file: {error}") from error
            if len(content) > FLEET_MOST_BYTES:
                raise ScoringError(
                    f"{path} unpacks to more than {FLEET_MOST_BYTES:,} bytes: it is not a state"
                )
        return _STATE.parse(content, path)


_STATE = Document(
    FleetState, FLEET_VERSION, "the state of a fleet", "restore it, or delete it to start again"
)
