"""The episodes of a run, as its `episodes.csv` has them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scoring.errors import ScoringError
from scoring.formats import EPISODES_CSV, LEAST_EPISODE
from scoring.printable import counted, original

type Key = tuple[str, str]
"""Device and sensor."""


@dataclass(frozen=True, slots=True)
class Episode:
    """Anomalies of a sensor that belong together."""

    start: datetime
    end: datetime
    readings: int
    open: bool
    """Whether the next landing can continue it: no gap follows it in the sensor's readings."""


@dataclass(frozen=True, slots=True)
class Episodes:
    """All groups of anomalies of a run by sensor, and how many anomalies make one worth reporting."""

    groups: Mapping[Key, Sequence[Episode]]
    least: int = LEAST_EPISODE

    def of(self, key: Key) -> list[Episode]:
        """The sensor's episodes that are worth reporting, in order of time."""
        return [each for each in self.groups.get(key, ()) if each.readings >= self.least]

    def last_anomaly(self, key: Key) -> datetime | None:
        """When the sensor's last anomaly was, if it has one."""
        return max((each.end for each in self.groups.get(key, ())), default=None)

    @property
    def sentence(self) -> str:
        """How many sensors are in how many episodes, and when the last of them ended; empty without any."""
        found = {key: episodes for key in self.groups if (episodes := self.of(key))}
        if not found:
            return ""
        every = [episode for episodes in found.values() for episode in episodes]
        last = max(every, key=lambda episode: (episode.end, episode.open))
        several_days = min(each.start for each in every).date() != last.end.date()
        at = f"{last.end:{'%Y-%m-%d %H:%M' if several_days else '%H:%M'}} UTC"
        sensors, count = len(found), len(every)
        which = "the last " if count > 1 else ""
        return (
            f"{counted(sensors, 'sensor')} in {counted(count, 'episode')}, "
            f"{which}{'still open at' if last.open else 'until'} {at}"
        )


def read_episodes(folder: Path, least: int) -> Episodes:
    """The episodes in the folder of a run; none where an older version of this project wrote it.

    Raises:
        ScoringError: the file is damaged.
    """
    path = folder / EPISODES_CSV
    groups: dict[Key, list[Episode]] = {}
    if not path.exists():
        return Episodes(groups, least)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                key = original(row["Device"]), original(row["Sensor"])
                groups.setdefault(key, []).append(_episode(row))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ScoringError(f"{path} is not the episodes of a run: {error!r}; collect it again") from error
    return Episodes(groups, least)


def _episode(row: Mapping[str, str]) -> Episode:
    start, end, last = (datetime.fromisoformat(row[name]) for name in ("start", "end", "last_reading"))
    is_open = (last - end).total_seconds() <= float(row["gap_s"] or 0)
    return Episode(start, end, int(row["readings"]), is_open)
