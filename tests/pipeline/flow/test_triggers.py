from datetime import UTC, datetime, timedelta

import pytest

from pipeline.flow.triggers import tick_of

NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("next_tick", "tick"),
    [
        ("2026-11-23T12:00:00+00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:00Z", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T13:00:00.0000000+01:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:01+00:00", datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)),
        ("2026-11-22T05:00:00+00:00", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("2026-11-23T13:00:00+00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
    ],
    ids=["now", "Z", "no offset", "as .NET writes it", "a second early", "past due", "called out of turn"],
)
def test_a_tick_has_its_scheduled_time(next_tick, tick):
    status = {"Last": "0001-01-01T00:00:00", "Next": next_tick, "LastUpdated": "0001-01-01T00:00:00"}
    assert tick_of(status, NOON) == tick


@pytest.mark.parametrize("status", [None, {}], ids=["none", "empty"])
def test_a_tick_of_a_frequent_schedule_has_the_second_in_which_it_fires(status):
    assert tick_of(status, NOON) == NOON.replace(microsecond=0)
    assert tick_of(status, NOON + timedelta(seconds=1)) != tick_of(status, NOON)
