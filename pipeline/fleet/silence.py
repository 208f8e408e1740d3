"""Silence: that of a sensor is measured by its fleet, and that of a fleet by the clock.

Readings can come late, or be those of another year. So a fleet can only fall silent if its last reading was
new when it arrived; and what its runs say of its sensors does not depend on the clock.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median_low

from msgspec.structs import replace

from pipeline.fleet.announce import Rules, fleet_event
from pipeline.fleet.events import FLEET, EventKind
from pipeline.fleet.finished import Key
from pipeline.fleet.state import FleetState, SensorState, with_events

HABIT = 3
"""Usual intervals that can pass before a sensor, or the fleet, is silent."""


def changed_silence(state: FleetState, rules: Rules, now: datetime) -> list[tuple[Key, SensorState]]:
    """The sensors whose silence is news: begun, or ended.

    After a silence of the whole fleet, each sensor has its usual time to be back.
    """
    reference = _last_reading(state.sensors, now)
    if reference is None:
        return []
    changed = []
    for sensor in state.sensors:
        last = since = sensor.last_reading
        if last is None or since is None:
            continue
        if state.back_since and not sensor.silent_since:
            since = max(last, state.back_since)
        silent_since = last if reference - since > _allowed(rules, sensor.interval_s) else None
        if silent_since != sensor.silent_since or bool(silent_since) != sensor.silence_announced:
            changed.append((sensor.key, replace(sensor, silent_since=silent_since)))
    return sorted(changed, key=lambda each: each[0])


def heard(state: FleetState, run: str, rules: Rules, now: datetime) -> FleetState:
    """The state after a run was added: when the fleet will be silent, and whether it is back."""
    last = _last_reading(state.sensors, now)
    intervals = [sensor.interval_s for sensor in state.sensors if sensor.interval_s is not None]
    if last is None or not intervals:  # what sent once has no habit
        return state
    silent_at = last + _allowed(rules, median_low(intervals))
    if silent_at <= now:  # old readings: they neither begin a silence nor end one
        return replace(state, silent_at=silent_at if state.silent_at else None)
    if state.silent_since is None:
        return replace(state, silent_at=silent_at)
    if rules.is_muted(FLEET):
        return replace(state, silent_at=silent_at, back_since=last)
    event = fleet_event(EventKind.FLEET_BACK, state.silent_since, last, run, now)
    outbox = with_events(state.outbox, [event])
    return replace(state, silent_at=silent_at, silent_since=None, back_since=last, outbox=outbox)


def fall_silent(state: FleetState, rules: Rules, now: datetime) -> FleetState:
    """The state with the event that the fleet is silent; the same state if it is not, or is muted."""
    last = _last_reading(state.sensors, state.updated or now)
    if last is None or state.silent_at is None or state.silent_at > now or rules.is_muted(FLEET):
        return state
    if state.silent_since is not None:  # it was back while it was muted
        return replace(state, silent_at=None)
    event = fleet_event(EventKind.FLEET_SILENT, last, last, state.runs[-1] if state.runs else "none", now)
    outbox = with_events(state.outbox, [event])
    return replace(state, silent_at=None, silent_since=last, outbox=outbox)


def _allowed(rules: Rules, interval_s: float | None) -> timedelta:
    """How long it can send nothing."""
    return max(rules.silent_after, timedelta(seconds=HABIT * (interval_s or 0)))


def _last_reading(sensors: Iterable[SensorState], now: datetime) -> datetime | None:
    """The newest reading, not in the future."""
    latest = max((each.last_reading for each in sensors if each.last_reading), default=None)
    return None if latest is None else min(latest, now)
