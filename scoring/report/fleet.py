"""`fleet.html`: every sensor over days, what needs attention first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.errors import ScoringError
from scoring.printable import counted
from scoring.report.fleet_state import FleetState, StateSensor
from scoring.report.formatting import format_time
from scoring.report.names import natural_key
from scoring.report.templates import escape_bidi, render

_ASSETS = ("look.css", "fleet.css", "dom.js", "fleet.js")

MOST_DAYS = 60
_MOST_FINDINGS, _MOST_NAMED = 8, 6
_REJECTED = 0.01
"""A sensor needs attention where a larger share of the rows of its last day was rejected."""
_SITE = 3
"""From this many sensors of a device with the same trouble, the device is named instead of them."""


_RECENTLY = "had anomalies in the last 7 days of readings"


class Trouble(Enum):
    """Groups of sensors, the most urgent first. Value: glyph, name, and the words of the headline."""

    SILENT = "◇", "Silent", ("is silent", "are silent")
    OPEN = "▲", "Open episode", ("has an open episode", "have an open episode")
    REJECTED = "✕", "Rows rejected", ("has rows rejected", "have rows rejected")
    NO_MODEL = "?", "No model", ("has no model", "have no model")
    RECENT = "●", "Recent anomalies", (_RECENTLY, _RECENTLY)
    NONE = "✓", "Normal", ("is normal", "are normal")


_URGENT = (Trouble.SILENT, Trouble.OPEN, Trouble.REJECTED, Trouble.NO_MODEL)


@dataclass(frozen=True, slots=True)
class Finding:
    """What to look at: sensors of a device, or single ones; `links` are filters and their labels."""

    kind: str
    glyph: str
    title: str
    what: str
    links: Sequence[tuple[str, str]]
    more: int = 0


def write_fleet(state: FleetState, path: Path, now: datetime | None = None) -> Path:
    """Write the page of a fleet.

    Raises:
        ScoringError: a time of the state is not one.
        OutputError: the page cannot be written.
    """
    try:
        today = (now or _last_day(state)).date()
        first_recent = (today - timedelta(days=6)).isoformat()
        troubles = {id(sensor): _trouble(sensor, first_recent) for sensor in state.sensors}
    except ValueError as error:
        raise ScoringError(f"the fleet state has a time that cannot be read: {error}") from error
    per_device = Counter((each.device, troubles[id(each)]) for each in state.sensors)
    order = list(Trouble)

    def urgency(sensor: StateSensor) -> tuple[Any, ...]:
        trouble = troubles[id(sensor)]
        crowd = 0 if trouble is Trouble.NONE else -per_device[sensor.device, trouble]
        return order.index(trouble), crowd, natural_key(sensor.device, sensor.sensor)

    sensors = sorted(state.sensors, key=urgency)
    counts = Counter(troubles.values())
    context = {
        "headline": _headline(counts),
        "updated": format_time(state.updated),
        "sensors": len(sensors),
        "devices": len({sensor.device for sensor in sensors}),
        "findings": list(_findings(sensors, troubles)),
    }
    data = _data(sensors, [order.index(troubles[id(sensor)]) for sensor in sensors], today)
    write_atomically(path, render("fleet.html", f"Fleet: {context['headline']}", context, data, _ASSETS))
    return path


def _last_day(state: FleetState) -> datetime:
    """The newest reading, so that old readings fill the page; not after the state was written.

    The day on which it was written would leave a page of last year's readings empty, and so would a sensor
    whose clock runs ahead.
    """
    read = [datetime.fromisoformat(each.last_reading) for each in state.sensors if each.last_reading]
    written = [datetime.fromisoformat(state.updated)] if state.updated else []
    return min([max(read), *written]) if read else max(written, default=datetime(1970, 1, 1))  # noqa: DTZ001 - only its day counts


def _trouble(sensor: StateSensor, first_recent: str) -> Trouble:
    if sensor.silent_since:
        return Trouble.SILENT
    if sensor.open:
        return Trouble.OPEN
    last = sensor.days[-1] if sensor.days else None
    if last and last.rejected > _REJECTED * (last.readings + last.rejected):
        return Trouble.REJECTED
    if not sensor.model:
        return Trouble.NO_MODEL
    if any(day.anomalies and day.date >= first_recent for day in sensor.days):
        return Trouble.RECENT
    return Trouble.NONE


def _headline(counts: Counter[Trouble]) -> str:
    urgent = [trouble for trouble in Trouble if counts[trouble] and trouble is not Trouble.NONE]
    if not counts:
        return "No sensor has been scored yet"
    if not urgent:
        total = counts.total()
        return f"All {total:,} sensors are normal" if total > 1 else "The sensor is normal"
    of_all = f" of {counted(counts.total(), 'sensor')}"
    return ", ".join(
        f"{counts[each]:,}{'' if place else of_all} {each.value[2][counts[each] > 1]}"
        for place, each in enumerate(urgent[:3])
    )


def _findings(sensors: Iterable[StateSensor], troubles: dict[int, Trouble]) -> Iterable[Finding]:
    """What to look at first: devices with several sensors in the same trouble, then single sensors."""
    groups: dict[tuple[Trouble, str], list[StateSensor]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    for sensor in sensors:
        sizes[sensor.device] += 1
        groups[troubles[id(sensor)], sensor.device].append(sensor)
    alone: dict[Trouble, list[StateSensor]] = defaultdict(list)
    crowds: list[tuple[Trouble, str, list[StateSensor]]] = []
    for (trouble, device), members in groups.items():
        if trouble in _URGENT and len(members) >= _SITE and len(crowds) < _MOST_FINDINGS:
            crowds.append((trouble, device, members))
        elif trouble in _URGENT:
            alone[trouble] += members
    for trouble, device, members in sorted(crowds, key=lambda crowd: -len(crowd[2])):
        what = f"Device {device}: {trouble.value[1].lower()}, {len(members):,} of {sizes[device]:,} sensors."
        advice = f"{_since(trouble, members)} Check the device before its sensors."
        yield Finding(_kind(trouble), trouble.value[0], what, advice, [(f"{device}/", "show them")])
    for trouble in filter(alone.__contains__, _URGENT):
        members = alone[trouble]
        names = [f"{each.device}/{each.sensor}" for each in members[:_MOST_NAMED]]
        what = f"{counted(len(members), 'sensor')}: {trouble.value[1].lower()}."
        links = [(name, name) for name in names]
        more = len(members) - len(names)
        yield Finding(_kind(trouble), trouble.value[0], what, _since(trouble, members), links, more)


def _kind(trouble: Trouble) -> str:
    return trouble.name.lower().replace("_", "-")


def _since(trouble: Trouble, members: Sequence[StateSensor]) -> str:
    times = []
    for each in members:
        if trouble is Trouble.SILENT and each.silent_since:
            times.append(each.silent_since)
        if trouble is Trouble.OPEN and each.open:
            times.append(each.open.start)
    if not times:
        return ""
    return f"{'Since' if len(members) == 1 else 'The first since'} {format_time(min(times))}."


def _data(sensors: Sequence[StateSensor], groups: Sequence[int], today: date) -> dict[str, Any]:
    """What the script draws, as columns; days that sensors share are stored once."""
    dates = _dates(sensors, today)
    place = {each: i for i, each in enumerate(dates)}
    runs: dict[str, int] = {}
    rows = _Shared()
    of_runs = _Shared()
    marked: list[list[int]] = []
    for sensor in sensors:
        readings, names, marks = [0] * len(dates), [-1] * len(dates), []
        for day in sensor.days:
            i = place.get(day.date)
            if i is not None:
                readings[i] = day.readings
                names[i] = runs.setdefault(day.run, len(runs))
                if day.anomalies or day.rejected:
                    marks += [i, day.anomalies, day.rejected]
        rows.add(readings)
        of_runs.add(names)
        marked.append(marks)
    devices: dict[str, int] = {}
    since: dict[str, int] = {}
    return {
        "dates": dates,
        "runs": list(runs),
        "groups": [{"glyph": each.value[0], "name": each.value[1]} for each in Trouble],
        "device": [devices.setdefault(sensor.device, len(devices)) for sensor in sensors],
        "devices": list(map(escape_bidi, devices)),
        "sensor": [escape_bidi(sensor.sensor) for sensor in sensors],
        "group": groups,
        "status": [
            _status(sensor, list(Trouble)[group]) for sensor, group in zip(sensors, groups, strict=True)
        ],
        "last": [format_time(sensor.last_reading) for sensor in sensors],
        "model": [sensor.model and sensor.model[:12] for sensor in sensors],
        "model_since": [since.setdefault(format_time(sensor.model_since), len(since)) for sensor in sensors],
        "times": list(since),
        "readings": {"rows": rows.distinct, "of": rows.places},
        "run": {"rows": of_runs.distinct, "of": of_runs.places},
        "marks": marked,
    }


class _Shared:
    """Rows of numbers, equal ones once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], int] = {}
        self.places: list[int] = []

    def add(self, row: Sequence[int]) -> None:
        self.places.append(self._known.setdefault(tuple(row), len(self._known)))

    @property
    def distinct(self) -> list[tuple[int, ...]]:
        return list(self._known)


def _dates(sensors: Iterable[StateSensor], today: date) -> list[str]:
    """The days of the page, up to today: from the first that any sensor has, but not more than fit."""
    first = min((sensor.days[0].date for sensor in sensors if sensor.days), default=today.isoformat())
    days = [(today - timedelta(days=back)).isoformat() for back in range(MOST_DAYS - 1, -1, -1)]
    return [day for day in days if day >= first]


def _status(sensor: StateSensor, trouble: Trouble) -> str:
    if trouble is Trouble.SILENT:
        return f"silent since {_short(sensor.silent_since)}"
    if sensor.open:
        return f"open since {_short(sensor.open.start)}"
    if trouble is Trouble.REJECTED:
        return f"{counted(sensor.days[-1].rejected, 'row')} rejected"
    if trouble is Trouble.RECENT:
        return f"anomaly {_short(sensor.last_anomaly)}"
    return str(trouble.value[1]).lower()


def _short(time: str | None) -> str:
    """Month, day, hour and minute."""
    return format_time(time)[5:16]
