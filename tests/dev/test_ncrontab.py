import contextlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.host.ncrontab import Schedule, WrongSchedule

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("0 0 * * * *", ["2026-01-01T01:00:00", "2026-01-01T02:00:00"]),
        ("*/15 * * * * *", ["2026-01-01T00:00:15", "2026-01-01T00:00:30"]),
        ("30 5 0 * * *", ["2026-01-01T00:05:30", "2026-01-02T00:05:30"]),
        ("0 5/20 * * * *", ["2026-01-01T00:05:00", "2026-01-01T00:25:00", "2026-01-01T00:45:00"]),
        ("0 0 22-20 * * *", ["2026-01-01T20:00:00", "2026-01-01T21:00:00", "2026-01-01T22:00:00"]),
        ("0 0 0 * * mon", ["2026-01-05T00:00:00", "2026-01-12T00:00:00"]),
        ("0 0 0 1 March,sep *", ["2026-03-01T00:00:00", "2026-09-01T00:00:00"]),
        ("0 0 0 * * 0", ["2026-01-04T00:00:00", "2026-01-11T00:00:00"]),
        ("0 0 0 29 2 *", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
    ],
    ids=str,
)
def test_six_fields_begin_with_seconds(expression, times):
    found, moment = [], START
    for _ in times:
        moment = Schedule.parse(expression).next_after(moment)
        found.append(moment.isoformat().removesuffix("+00:00"))
    assert found == times


def test_five_fields_are_read_without_seconds():
    assert Schedule.parse("*/5 * * * *").next_after(START) == START + timedelta(minutes=5)


def test_day_and_weekday_must_both_match():
    fridays = Schedule.parse("0 0 1 13 * 5")
    assert fridays.next_after(START) == datetime(2026, 2, 13, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "has 0 fields"),
        ("* * *", "has 3 fields"),
        ("0 0 0 1 1 * 2026", "has 7 fields"),
        ("@daily", "has 1 fields"),
        ("0 0 0 * * 7", "day-of-week 7 is not between 0 and 6"),
        ("60 * * * * *", "second 60 is not between 0 and 59"),
        ("0 0 24 * * *", "hour 24 is not between 0 and 23"),
        ("0 0 0 0 * *", "day 0 is not between 1 and 31"),
        ("0 0 0 L * *", "day 'L' is not a number"),
        ("0 0 0 * * 5#2", "day-of-week '5#2' is not a number"),
        ("0 0 0 ? * *", "day '?' is not a number"),
        ("0 0 0 * nonesuch *", "month 'nonesuch' is not a number from 1 to 12, or a name such as January"),
        ("0 */x * * * *", "step 'x' of minute '*/x' is not a number"),
        ("0 1, * * * *", "minute '' is not a number"),
        ("0 -5 * * * *", "minute '' is not a number"),
        ("0 \uff15 * * * *", "minute '\uff15' is not a number"),  # a five, full width
        ("0 0 0 30 2 *", "never comes"),
    ],
    ids=str,
)
def test_what_the_real_host_refuses_is_refused_here(expression, complaint):
    with pytest.raises(WrongSchedule, match=re.escape(complaint)) as refusal:
        Schedule.parse(expression)
    assert "\n" not in str(refusal.value)


def _field(low, high):
    value = st.integers(low, high)
    ranges = st.tuples(value, value).map(lambda pair: f"{pair[0]}-{pair[1]}")
    plain = st.one_of(st.just("*"), value.map(str), ranges)
    stepped = st.tuples(plain, st.integers(1, 70)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.lists(st.one_of(plain, stepped), min_size=1, max_size=3).map(",".join)


@given(
    minute=_field(0, 59),
    hour=_field(0, 23),
    weekday=_field(0, 6),
    moment=st.integers(0, 10**9).map(lambda seconds: START + timedelta(seconds=seconds / 3)),
)
def test_the_next_time_is_later_and_matches_every_field(minute, hour, weekday, moment):
    schedule = Schedule.parse(f"0 {minute} {hour} * * {weekday}")
    following = schedule.next_after(moment)
    assert following > moment
    allowed = [
        set(range(60)) if part == "*" else set(map(int, part.split(","))) for part in schedule.numbers.split()
    ]
    assert (following.second, following.microsecond) == (0, 0)
    assert following.minute in allowed[1]
    assert following.hour in (allowed[2] if schedule.numbers.split()[2] != "*" else range(24))
    assert following.isoweekday() % 7 in allowed[5] or schedule.numbers.split()[5] == "*"


@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_is_refused(text):
    with contextlib.suppress(WrongSchedule):
        assert Schedule.parse(text).next_after(START) > START
