from datetime import UTC, datetime, timedelta

import pytest

from dev.host.ncrontab import Schedule
from dev.host.timers import NEVER, ScheduleStatus, at_start, is_frequent
from dev.host.worker import RetryPolicy

HOURLY = Schedule.parse("0 0 * * * *")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_first_start_ever_is_not_past_due():
    status, past_due = at_start(None, HOURLY, NOON)
    assert (status.last, status.next, past_due) == (NEVER, NOON + HOUR, False)


def test_a_tick_missed_while_the_host_was_down_is_past_due_and_keeps_its_time():
    stored = ScheduleStatus(NOON - 5 * HOUR, NOON - 4 * HOUR, NOON - 5 * HOUR)
    status, past_due = at_start(stored, HOURLY, NOON + timedelta(seconds=5))
    assert (status, past_due) == (stored, True)


def test_a_start_before_the_next_tick_is_not_past_due():
    stored = ScheduleStatus(NOON, NOON + HOUR, NOON)
    assert at_start(stored, HOURLY, NOON + timedelta(minutes=5)) == (stored, False)


def test_a_timer_that_never_ran_is_not_past_due():
    stored = ScheduleStatus(NEVER, NOON - HOUR, NOON - 2 * HOUR)
    status, past_due = at_start(stored, HOURLY, NOON + timedelta(minutes=1))
    assert (status.next, past_due) == (NOON + HOUR, False)


def test_a_changed_schedule_is_not_past_due():
    stored = ScheduleStatus(NOON - 30 * HOUR, NOON - 29 * HOUR - timedelta(minutes=30), NOON - 30 * HOUR)
    status, past_due = at_start(stored, HOURLY, NOON + timedelta(minutes=1))
    assert (status.last, status.next, past_due) == (NEVER, NOON + HOUR, False)


def test_a_status_comes_back_from_what_is_stored():
    status = ScheduleStatus(NEVER, NOON, NOON)
    assert (
        ScheduleStatus.read(
            '{"Last": "0001-01-01T00:00:00", "Next": "2026-11-23T12:00:00+00:00", '
            '"LastUpdated": "2026-11-23T13:00:00.0000000+01:00"}'
        )
        == status
    )


@pytest.mark.parametrize(
    ("expression", "frequent"),
    [("*/30 * * * * *", True), ("0 * * * * *", False), ("0 0 * * * *", False)],
    ids=["each half minute", "each minute", "each hour"],
)
def test_more_than_one_tick_in_a_minute_is_frequent(expression, frequent):
    assert is_frequent(Schedule.parse(expression), NOON + timedelta(seconds=1)) is frequent


def test_a_fixed_delay_stays_and_a_growing_one_ends_at_its_longest():
    seconds = timedelta(seconds=1)
    fixed = RetryPolicy("fixed_delay", 3, 7 * seconds, 7 * seconds)
    growing = RetryPolicy("exponential_backoff", 5, 10 * seconds, 60 * seconds)
    assert [fixed.delay(retry) / seconds for retry in (1, 2, 3)] == [7, 7, 7]
    assert [growing.delay(retry) / seconds for retry in (1, 2, 3, 4, 5)] == [10, 14, 22, 38, 60]
