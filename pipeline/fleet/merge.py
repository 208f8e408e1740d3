"""Adds one finished run to the fleet state, and says what is worth a message: pure, without storage.

In any order of runs, and however often one is repeated, the days and episodes of the sensors are the
same. Two limits: what is older than what a sensor keeps is forgotten, and of runs that score landings again
(`all` mode, `--again`) the larger count of a day counts, because they bring the same readings.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.fleet.announce import (
    Rules,
    announce_episodes,
    announce_lost_rows,
    announce_silence,
    announce_unscored,
)
from pipeline.fleet.episodes import joined
from pipeline.fleet.finished import FinishedRun, FoundDay, FoundEpisode
from pipeline.fleet.silence import changed_silence, heard
from pipeline.fleet.state import (
    MOST_ARRIVALS,
    MOST_DAYS,
    MOST_RUNS,
    Day,
    Episode,
    FleetState,
    SensorState,
    encode_days,
    with_events,
)

if TYPE_CHECKING:
    from pipeline.fleet.events import Event

AHEAD = timedelta(days=1)
"""Readings further in the future are left out: one of them would make its sensor look alive for ever."""


def merge(state: FleetState, found: FinishedRun, rules: Rules, now: datetime) -> FleetState:
    """The state with one more run, its new events in the outbox; the same state if the run is in it."""
    if found.run in state.runs:
        return state
    sensors = {sensor.key: sensor for sensor in state.sensors}
    events: list[Event] = []
    for key in sorted(found.days.keys() | found.episodes.keys() | found.models.keys()):
        sensor = sensors.get(key) or SensorState(device=key[0], sensor=key[1])
        merged, swallowed = _with_run(sensor, found, rules, now)
        sensors[key], new = announce_episodes(merged, swallowed, found.run, rules, now)
        events += new
    for key in sorted(found.unscored):
        sensor = sensors.get(key) or SensorState(device=key[0], sensor=key[1])
        sensors[key], new = announce_unscored(sensor, found, rules, now)
        events += new
    after = replace(state, sensors=tuple(sensors.values()))
    after = heard(after, found.run, rules, now)
    for key, sensor in changed_silence(after, rules, now):
        sensors[key], new = announce_silence(sensor, found.run, rules, now)
        events += new
    events += announce_lost_rows(found, now)
    return replace(
        after,
        updated=now,
        runs=(*state.runs, found.run)[-MOST_RUNS:],
        sensors=tuple(sensors[key] for key in sorted(sensors)),
        outbox=with_events(after.outbox, events),
    )


def _with_run(
    sensor: SensorState, found: FinishedRun, rules: Rules, now: datetime
) -> tuple[SensorState, tuple[Episode, ...]]:
    limit = now + AHEAD
    days = [day for day in found.days.get(sensor.key, ()) if _is_past(day, limit)]
    episodes = [each for each in found.episodes.get(sensor.key, ()) if each.last_reading <= limit]
    arrived = _latest(*(day.last_reading for day in days), *(each.last_reading for each in episodes))
    arrivals = tuple(sorted({*sensor.arrivals, *([arrived] if arrived else [])}))[-MOST_ARRIVALS:]
    last_reading = _latest(sensor.last_reading, arrived)
    joint, swallowed = joined(
        sensor.episodes,
        episodes,
        key=sensor.key,
        run=found.run,
        claims=found.claims,
        last_reading=last_reading,
        least=rules.least_readings,
    )
    merged = replace(
        sensor,
        last_reading=last_reading,
        last_anomaly=_latest(
            sensor.last_anomaly, *(day.last_anomaly for day in days), *(each.end for each in episodes)
        ),
        arrivals=arrivals,
        interval_s=_usual_interval(arrivals),
        gap_s=_gap(sensor, episodes, last_reading),
        episodes=joint,
        days=encode_days(_with_days(sensor, days, found)) if days else sensor.days,
    )
    return _with_model(merged, found.models.get(sensor.key), found.created), swallowed


def _with_days(sensor: SensorState, days: Sequence[FoundDay], found: FinishedRun) -> list[Day]:
    by_date = {day.date: day for day in sensor.read_days()}
    for day in days:
        new = (day.readings, day.anomalies, day.rejects)
        before = by_date.get(day.date, Day(day.date, 0, 0, 0, ""))
        old = (before.readings, before.anomalies, before.rejects)
        readings, anomalies, rejects = (
            one + other if found.claims else max(one, other) for one, other in zip(old, new, strict=True)
        )
        by_date[day.date] = Day(day.date, readings, anomalies, rejects, found.run)
    return [by_date[date] for date in sorted(by_date)][-MOST_DAYS:]


def _with_model(sensor: SensorState, model: str | None, created: datetime) -> SensorState:
    if model is None:
        return sensor
    if model == sensor.model and sensor.model_since and sensor.model_seen:
        since, seen = min(sensor.model_since, created), max(sensor.model_seen, created)
        announced = sensor.no_model_announced and created < sensor.model_seen
        return replace(sensor, model_since=since, model_seen=seen, no_model_announced=announced)
    if sensor.model_seen and created < sensor.model_seen:
        return sensor
    return replace(sensor, model=model, model_since=created, model_seen=created, no_model_announced=False)


def _gap(
    sensor: SensorState, episodes: Sequence[FoundEpisode], last_reading: datetime | None
) -> float | None:
    """The gap of the newest episode."""
    gaps = [each.gap_s for each in episodes if each.last_reading == last_reading]
    return max(gaps, default=sensor.gap_s)


def _usual_interval(arrivals: Sequence[datetime]) -> float | None:
    """The low median: of two intervals, the longer one is more often an outage than a habit."""
    between = [(later - earlier).total_seconds() for earlier, later in pairwise(arrivals)]
    return median_low(between) if between else None


def _is_past(day: FoundDay, limit: datetime) -> bool:
    return day.date <= limit.date().isoformat() and (day.last_reading is None or day.last_reading <= limit)


def _latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)
