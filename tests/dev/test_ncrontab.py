"""Schedules, held to what the Functions host was recorded to make of them."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.host.errors import HostError
from dev.host.settings import resolve
from pipeline.ncrontab import Schedule, WrongSchedule
from tests.dev.recordings import extract_and_whole, recorded

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = {
    "SET_OK": "0 */5 * * * *",
    "SET_FIELD": "*/5",
    "SET_BLANK": "",
    "SET_SPACE": " ",
    "SET_NESTED": "%SET_OK%",
}
END_OF_TIME = "9999-12-31T23:59:59.9999999Z"


def refused_on_purpose(recording):
    """Time spans, and days that never come: the host takes them, and does not do what was meant."""
    return recording["accepted"] and (
        recording["kind"] == "constant" or any(times == [END_OF_TIME] for times in recording["from"].values())
    )


def read(expression):
    """The schedule, None where it is refused."""
    try:
        return Schedule.parse(resolve(expression, SETTINGS))
    except (HostError, WrongSchedule):
        return None


def following(schedule, start, count):
    times, moment = [], datetime.fromisoformat(start)
    for _ in range(count):
        moment = schedule.next_after(moment)
        times.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return times


@extract_and_whole
def test_the_same_schedules_are_accepted_and_rejected(folder):
    recordings = recorded(folder, "ncrontab")
    assert len(recordings) > 30
    differ = [
        each["expression"]
        for each in recordings
        if each["accepted"] != (read(each["expression"]) is not None) and not refused_on_purpose(each)
    ]
    assert differ == []


@extract_and_whole
def test_they_fire_at_the_same_times(folder):
    for each in recorded(folder, "ncrontab"):
        if schedule := read(each["expression"]):
            for start, times in each["from"].items():
                assert following(schedule, start, len(times)) == times, each["expression"]


@extract_and_whole
def test_the_same_timers_keep_their_status(folder):
    for each in recorded(folder, "ncrontab"):
        if schedule := read(each["expression"]):
            assert schedule.frequent is not each["monitor_kept"], each["expression"]


@extract_and_whole
def test_schedules_rejected_only_here_are_time_spans_or_days_that_never_come(folder):
    for each in filter(refused_on_purpose, recorded(folder, "ncrontab")):
        with pytest.raises(WrongSchedule, match=r"time span|never comes|has 1 fields"):
            Schedule.parse(each["expression"])


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "it has 0 fields"),
        ("* * *", "it has 3 fields"),
        ("0 0 0 1 1 * 2026", "it has 7 fields"),
        ("00:05:00", "it is a time span"),
        ("0 0 0 * * 7", "day-of-week 7 is not between 0 and 6"),
        ("60 * * * * *", "second 60 is not between 0 and 59"),
        ("0 0 0 0 * *", "day 0 is not between 1 and 31"),
        ("0 0 0 L * *", "day 'L' is not a number"),
        ("0 0 0 ? * *", "day '?' is not a number"),
        ("0 0 0 * nonesuch *", "month 'nonesuch' is not a number from 1 to 12, or a name such as January"),
        ("0 */x * * * *", "step 'x' of minute '*/x' is not a number"),
        ("0 1, * * * *", "minute '' is not a number"),
        ("0 \uff15 * * * *", "minute '\uff15' is not a number"),  # a five, full width
        ("0 0 0 30 2 *", "its day never comes"),
        ("0 0 * * * " + "9" * 5000, "day-of-week 999999999999999999999999999999 is not between"),
    ],
    ids=lambda text: text[:30],
)
def test_an_error_gives_the_reason_in_one_line(expression, complaint):
    with pytest.raises(WrongSchedule, match=re.escape(complaint)) as refusal:
        Schedule.parse(expression)
    assert "\n" not in str(refusal.value)


def _field(low, high):
    value = st.integers(low, high)
    ranges = st.tuples(value, value).map(lambda pair: f"{pair[0]}-{pair[1]}")
    plain = st.one_of(st.just("*"), value.map(str), ranges)
    stepped = st.tuples(plain, st.integers(-1, 70)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.lists(st.one_of(plain, stepped), min_size=1, max_size=3).map(",".join)


@given(
    fields=st.tuples(_field(0, 59), _field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12), _field(0, 6)),
    moment=st.integers(0, 10**9).map(lambda seconds: START + timedelta(seconds=seconds / 3)),
)
def test_the_next_time_is_the_first_later_one_that_matches_every_field(fields, moment):
    schedule = Schedule.parse(" ".join(fields))
    found = schedule.next_after(moment)
    assert found > moment
    parts = (found.second, found.minute, found.hour, found.day, found.month, found.isoweekday() % 7)
    assert all(part in values for part, values in zip(parts, schedule.values, strict=True))
    earlier = max(moment, found - timedelta(seconds=5))
    assert schedule.next_after(earlier) <= found
    assert schedule.next_after(found - timedelta(microseconds=1)) == found


@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_is_rejected(text):
    with contextlib.suppress(WrongSchedule):
        assert Schedule.parse(text).next_after(START) > START
