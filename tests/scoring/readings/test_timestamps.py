import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.arrow import strings
from scoring.readings import timestamps

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def parse(*texts: str) -> list[int | None]:
    times, valid = timestamps.parse(strings(texts))
    assert times.dtype == np.int64
    return [int(time) if good else None for time, good in zip(times, valid, strict=True)]


def test_every_day_of_the_years_that_fit_is_right_and_no_other_day_exists():
    texts, expected = [], []
    for year in range(1650, 2290):
        for month in range(14):
            for day in (0, 1, 27, 28, 29, 30, 31, 32):
                texts.append(f"{year:04}-{month:02}-{day:02}")
                try:
                    days = dt.date(year, month, day).toordinal() - EPOCH.toordinal()
                except ValueError:
                    days = None
                expected.append(
                    days * 86_400_000_000_000 if days is not None and 1678 <= year <= 2261 else None
                )
    assert parse(*texts) == expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2018-08-28", "2018-08-28T00:00:00+00:00"),
        ("2018-08-28 23", "2018-08-28T23:00:00+00:00"),
        ("2018-08-28T23:01", "2018-08-28T23:01:00+00:00"),
        ("2018-08-28 23:01Z", "2018-08-28T23:01:00+00:00"),
        ("2018-08-28 23:00:05.000", "2018-08-28T23:00:05+00:00"),
        ("2018-08-28T23:00:05.25Z", "2018-08-28T23:00:05.25+00:00"),
        ("2018-08-28 23:00:05+02", "2018-08-28T21:00:05+00:00"),
        ("2018-08-28 23:00:05-0330", "2018-08-29T02:30:05+00:00"),
        ("2018-08-28T23:00:05+05:45", "2018-08-28T17:15:05+00:00"),
        (" \t2016-02-29 \t", "2016-02-29T00:00:00+00:00"),
    ],
)
def test_each_spelling_is_the_moment_it_says(text, same):
    moment = dt.datetime.fromisoformat(same) - EPOCH
    expected = moment // dt.timedelta(microseconds=1) * 1000
    assert parse(text) == [expected]
    assert parse(text, "not one") == [expected, None], "the way for mixed columns gives the same"


def test_nine_digits_of_a_second_are_kept():
    assert parse("1970-01-01 00:00:00.123456789") == [123_456_789]
    assert parse("1970-01-01 00:00:00.123456789Z", "?") == [123_456_789, None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "2018-02-30",
        "1900-02-29",
        "2018-08-28 24:00:00",
        "2018-08-28 23:59:60",
        "2018-08-28 23:60",
        "2018-08-28 23:00:05.1234567890",
        "2018-08-28 23:00:05.",
        "2018-08-28 23:00:05,5",
        "2018-08-28 23:00:05+24:00",
        "2018-08-28 23:00:05+02:60",
        "2018-08-28Z",
        "2018-8-28",
        "20180828",
        "28.08.2018",
        "08/28/2018",
        "2018-08-28\n",
        "2018-08-28\n2018-08-28",
        "+2018-08-28",
        "-2018-08-28",
        "1500-01-01",
        "2262-01-01",
        "9999-12-31",
        "0000-00-00",
        "1535497205",
        "now",
        "２０１８-08-28",  # noqa: RUF001
    ],
)
def test_what_is_no_timestamp_is_invalid_alone_and_among_others(text):
    assert parse(text) == [None]
    assert parse("1970-01-01", text, "1970-01-01Z", "1970-01-01 00Z") == [0, None, None, 0]


@given(
    st.datetimes(dt.datetime(1678, 1, 3), dt.datetime(2261, 12, 29)),  # noqa: DTZ001 - the zone is drawn
    st.sampled_from([" ", "T"]),
    st.sampled_from(["", "Z", "+00", "-0000", "+01:00", "-23:59", "+1445"]),
)
def test_any_moment_reads_as_datetime_reads_it(moment, separator, zone):
    text = moment.isoformat(separator, "microseconds") + zone
    expected = dt.datetime.fromisoformat(moment.isoformat() + (zone or "Z")) - EPOCH
    nanoseconds = expected // dt.timedelta(microseconds=1) * 1000
    assert parse(text) == [nanoseconds]
    assert parse("2018-08-28 23:00:05", "?", text)[2] == nanoseconds


@given(st.lists(st.text(st.sampled_from("0123456789-:T Z+.\n"), max_size=30)))
def test_a_column_reads_as_each_of_its_texts_alone(texts):
    assert parse(*texts) == [parse(text)[0] for text in texts]
