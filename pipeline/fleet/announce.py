"""Which events a sensor has, and which of them are worth a message.

What is announced is stored with the sensor, so each event is made once. An event that is held back, because
the sensor is muted or has cooled down too little, is made by a later run if it still holds then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from pipeline.fleet.events import Event, EventKind, make_event
from pipeline.fleet.finished import FinishedRun, Key
from pipeline.fleet.state import Episode, SensorState
from pipeline.runs.record import RunRecord
from scoring import SensorKey

STALE = timedelta(days=1)
"""An episode that ended so long before the last reading is history, not news: a backfill brings many."""
MOST_NAMED = 10
"""Landings or sensors that the event of a run names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is worth a message."""

    least_readings: int
    """An episode with fewer anomalous readings is not announced."""
    least_duration: timedelta
    cool_down: timedelta
    """For this time after an announced episode of a sensor, no other one is announced."""
    silent_after: timedelta
    is_muted: Callable[[Key], bool]


def announce_episodes(
    sensor: SensorState, swallowed: Sequence[Episode], run: str, rules: Rules, now: datetime
) -> tuple[SensorState, list[Event]]:
    """Announce episodes that opened, and those announced that closed or became part of another."""
    if rules.is_muted(sensor.key):
        return sensor, []
    events = [
        _episode_event(EventKind.EPISODE_CLOSED, sensor, episode, run, now, is_part_of_another=True)
        for episode in swallowed
    ]
    announced: list[Episode] = []
    for episode in sensor.episodes:
        after = episode
        if not after.announced and _is_news(after, sensor, announced, rules):
            events.append(_episode_event(EventKind.EPISODE_OPENED, sensor, after, run, now))
            after = replace(after, announced="open")
        if after.announced == "open" and after.state == "closed":
            events.append(_episode_event(EventKind.EPISODE_CLOSED, sensor, after, run, now))
            after = replace(after, announced="closed")
        announced.append(after)
    return replace(sensor, episodes=tuple(announced)), events


def announce_silence(
    sensor: SensorState, run: str, rules: Rules, now: datetime
) -> tuple[SensorState, list[Event]]:
    """Announce that a sensor is silent, or back; `silent_since` says which."""
    is_silent = sensor.silent_since is not None
    if is_silent == sensor.silence_announced or rules.is_muted(sensor.key):
        return sensor, []
    kind = EventKind.SENSOR_SILENT if is_silent else EventKind.SENSOR_BACK
    data = {**_sensor_data(sensor), "last_reading": _written(sensor.last_reading)}
    event = make_event(kind, _subject(sensor.key), str(data["last_reading"]), time=now, run=run, data=data)
    return replace(sensor, silence_announced=is_silent), [event]


def announce_unscored(
    sensor: SensorState, found: FinishedRun, rules: Rules, now: datetime
) -> tuple[SensorState, list[Event]]:
    """Announce a sensor that sends readings and has no model that scores them, once until one does."""
    is_news = sensor.model_seen is None or found.created >= sensor.model_seen
    if sensor.no_model_announced or not is_news or rules.is_muted(sensor.key):
        return sensor, []
    event = make_event(
        EventKind.MODEL_MISSING,
        _subject(sensor.key),
        f"{sensor.model} {_written(sensor.model_seen)}",  # the model that scored it last, if one did
        time=now,
        run=found.run,
        data=_sensor_data(sensor) | {"reason": found.unscored[sensor.key]},
    )
    return replace(sensor, no_model_announced=True), [event]


def announce_lost_rows(found: FinishedRun, now: datetime) -> list[Event]:
    """Announce the landings that were not read, or have too many rejected rows: one event per run."""
    if not found.lost_rows:
        return []
    data = {
        "landings": [
            {"name": each.landing, "status": each.status.value, "reason": each.reason}
            for each in found.lost_rows[:MOST_NAMED]
        ],
        "count": len(found.lost_rows),
    }
    return [make_event(EventKind.REJECTS, found.run, "", time=now, run=found.run, data=data)]


def failure_event(record: RunRecord, now: datetime) -> Event:
    """A run that failed for good, or lost steps for good."""
    data: dict[str, Any] = {"error": record.error or "see its steps"}
    if record.missing:
        keys = [SensorKey.from_encoded(text) for text in record.missing[:MOST_NAMED]]
        data["missing"] = [{"device": key.device, "sensor": key.sensor} for key in keys]
        data["count"] = len(record.missing)
    return make_event(EventKind.RUN_FAILED, record.run, "", time=now, run=record.run, data=data)


def fleet_event(kind: EventKind, since: datetime, last: datetime, run: str, now: datetime) -> Event:
    """The fleet is silent, or back; `since` distinguishes its silences, `last` is its newest reading."""
    what, data = str(_written(since)), {"last_reading": _written(last)}
    return make_event(kind, "fleet", what, time=now, run=run, data=data)


def _is_news(episode: Episode, sensor: SensorState, before: Sequence[Episode], rules: Rules) -> bool:
    if episode.readings < rules.least_readings or episode.end - episode.start < rules.least_duration:
        return False
    if sensor.last_reading is not None and sensor.last_reading - episode.end > STALE:
        return False
    # One that lasts beyond the time to cool down is announced then.
    return not any(each.announced and episode.end - each.end < rules.cool_down for each in before)


def _episode_event(
    kind: EventKind,
    sensor: SensorState,
    episode: Episode,
    run: str,
    now: datetime,
    *,
    is_part_of_another: bool = False,
) -> Event:
    data = {
        **_sensor_data(sensor),
        "episode": episode.id,
        "start": _written(episode.start),
        "end": _written(episode.end),
        "readings": episode.readings,
        "peak": {
            "time": _written(episode.peak_ts),
            "value": episode.peak_value,
            "score": episode.peak_score,
        },
        "direction": episode.direction,
    }
    if is_part_of_another:
        data["merged"] = True
    return make_event(kind, _subject(sensor.key), episode.id, time=now, run=run, data=data)


def _sensor_data(sensor: SensorState) -> dict[str, Any]:
    return {"device": sensor.device, "sensor": sensor.sensor}


def _subject(key: Key) -> str:
    return "/".join(quote(part, safe="") for part in key)  # other keys must not read the same


def _written(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat().replace("+00:00", "Z")
