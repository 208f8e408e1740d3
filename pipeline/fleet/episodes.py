"""Joins the episodes of one run with those that are known: one identity over landings and runs.

Two episodes are one if no more than the larger of their gaps lies between them. Joining only ever widens an
episode and its gap, so any order of runs ends in the same episodes, as long as none of them was forgotten.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from pipeline.fleet.finished import FoundEpisode, Key
from pipeline.fleet.state import MOST_EPISODES, Episode

_ANNOUNCED = ("", "open", "closed")
"""What was announced keeps its id, and what is stored before what is new."""


def joined(
    known: Sequence[Episode],
    found: Sequence[FoundEpisode],
    *,
    key: Key,
    run: str,
    claims: bool,
    last_reading: datetime | None,
    least: int,
) -> tuple[tuple[Episode, ...], tuple[Episode, ...]]:
    """The episodes of a sensor, oldest first, and those known ones that became part of another.

    `claims` says whether the readings of the run are in no other run: then they are added, otherwise the
    larger number counts. Episodes with fewer than `least` readings do not displace longer ones.
    """
    stored = {episode.id for episode in known}
    new = [_new(each, key, run) for each in found]
    episodes: list[Episode] = []
    swallowed: list[Episode] = []
    for episode in sorted([*known, *new], key=lambda each: (each.start, each.end)):
        episodes.append(episode)
        # Joining widens the gap, which can reach back to the one before.
        while len(episodes) > 1 and _touch(*episodes[-2:]):
            pair = episodes[-2:]
            pair.sort(key=lambda each: (_ANNOUNCED.index(each.announced), each.id in stored), reverse=True)
            one, other = pair
            if other.announced == "open":
                swallowed.append(other)
            # Two known ones have counted readings of their own.
            adds = claims or run not in {one.run, other.run}
            episodes[-2:] = [_united(one, other, run, adds=adds)]
    states = [replace(each, state="open" if _is_open(each, last_reading) else "closed") for each in episodes]
    return _kept(states, least), tuple(swallowed)


def _new(found: FoundEpisode, key: Key, run: str) -> Episode:
    what = "\0".join((*key, found.start.isoformat()))
    return Episode(
        id=hashlib.sha256(what.encode()).hexdigest()[:16],
        start=found.start,
        end=found.end,
        readings=found.readings,
        peak_ts=found.peak_ts,
        peak_value=found.peak_value,
        peak_score=found.peak_score,
        direction=found.direction,
        state="open",
        run=run,
        gap_s=found.gap_s,
    )


def _touch(earlier: Episode, later: Episode) -> bool:
    return later.start - earlier.end <= timedelta(seconds=max(earlier.gap_s, later.gap_s))


def _united(one: Episode, other: Episode, run: str, *, adds: bool) -> Episode:
    peak = min(one, other, key=_peak)
    return replace(
        one,
        start=min(one.start, other.start),
        end=max(one.end, other.end),
        readings=one.readings + other.readings if adds else max(one.readings, other.readings),
        peak_ts=peak.peak_ts,
        peak_value=peak.peak_value,
        peak_score=peak.peak_score,
        direction=one.direction if one.direction == other.direction else "mixed",
        run=run,
        gap_s=max(one.gap_s, other.gap_s),
    )


def _peak(episode: Episode) -> tuple[float, datetime, float]:
    score = float("-inf") if episode.peak_score is None else episode.peak_score
    return score, episode.peak_ts, episode.peak_value


def _is_open(episode: Episode, last_reading: datetime | None) -> bool:
    return last_reading is None or last_reading - episode.end <= timedelta(seconds=episode.gap_s)


def _kept(episodes: Sequence[Episode], least: int) -> tuple[Episode, ...]:
    """The newest long episodes and the newest short ones, oldest first."""
    long = [episode for episode in episodes if episode.readings >= least]
    short = [episode for episode in episodes if episode.readings < least]
    kept = {episode.id for episode in (*long[-MOST_EPISODES:], *short[-MOST_EPISODES:])}
    return tuple(episode for episode in episodes if episode.id in kept)
