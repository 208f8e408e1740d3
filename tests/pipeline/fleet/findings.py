"""What a run says about its sensors, made by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.fleet.announce import Rules
from pipeline.fleet.finished import FinishedRun, FoundDay, FoundEpisode

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def at(minute):
    return NOON + timedelta(minutes=minute)


def rules(*, least=2, duration=0, cool_down=0, silent_after=360, muted=()):
    """Durations in minutes; `muted` keys."""
    return Rules(
        least_readings=least,
        least_duration=timedelta(minutes=duration),
        cool_down=timedelta(minutes=cool_down),
        silent_after=timedelta(minutes=silent_after),
        is_muted=lambda key: key in muted,
    )


def finished(run="a", key=("1", "2"), *, first=0, last=None, anomalies=(), gap=10, claims=True, **changes):
    """A run with a reading of one sensor each minute from `first` to `last`, some of them anomalous."""
    last = first if last is None else last
    days: dict[str, list[int]] = {}
    for minute in range(first, last + 1):
        days.setdefault(at(minute).date().isoformat(), []).append(minute)
    found: dict[str, Any] = {
        "episodes": {key: list(episodes(anomalies, gap, at(last)))},
        "days": {
            key: [
                FoundDay(
                    date=date,
                    readings=len(minutes),
                    anomalies=sum(minute in anomalies for minute in minutes),
                    rejects=0,
                    last_reading=at(max(minutes)),
                    last_anomaly=max((at(minute) for minute in minutes if minute in anomalies), default=None),
                )
                for date, minutes in days.items()
            ]
        },
        "models": {key: "f00d"},
        "unscored": {},
        "lost_rows": [],
    }
    return FinishedRun(run=run, created=NOW, claims=claims, **(found | changes))


def episodes(anomalies, gap, last_reading):
    """The groups of anomalous minutes that are no more than `gap` minutes apart."""
    groups: list[list[int]] = []
    for minute in sorted(anomalies):
        if groups and minute - groups[-1][-1] <= gap:
            groups[-1].append(minute)
        else:
            groups.append([minute])
    for group in groups:
        peak = min(group, key=lambda minute: (score(minute), minute))
        yield FoundEpisode(
            start=at(group[0]),
            end=at(group[-1]),
            readings=len(group),
            peak_ts=at(peak),
            peak_value=float(peak),
            peak_score=score(peak),
            direction="high",
            gap_s=gap * 60.0,
            last_reading=last_reading,
        )


def score(minute):
    return -1.0 - minute % 7
