"""Hints at how a rejected text was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.arrow import strings
from scoring.formats import RejectKind
from scoring.mapping_text import parse
from scoring.readings import hints, numbers, timestamps, ts_formats

TIMESTAMPS = {
    "1767225600": "Unix seconds?",
    "1767225600.25": "Unix seconds?",
    "1.7672256e+09": "a Unix time that lost its last digits?",
    "1767225600,25": "Unix seconds?",
    "1767225600000": "Unix milliseconds?",
    "1767225600000000": "Unix microseconds?",
    "1767225600000000000": "Unix nanoseconds?",
    "46023.5": "a spreadsheet's serial date?",
    "28.08.2018 23:00:05": "day first?",
    "28/08/2018": "day first?",
    "01-02-2026 10:00": "day first?",
    "08/28/2018 11:00 PM": "month first?",
    "2018/08/28 23:00:05": "slashes or dots for dashes?",
    "20180828T230005Z": "date without dashes?",
    "2018-08-28 11:00:05 PM": "12-hour clock?",
    "2018-08-28 23:00:05,123": "decimal comma?",
    "2026-01-01 00:00:00 CET": "name of a time zone?",
    "2026-01-01T00:00:00 Europe/Berlin": "name of a time zone?",
    "2026-02-30 00:00:00": "no such day or time, or a digit too few?",
    "2026-1-1 0:00": "no such day or time, or a digit too few?",
    "08:30:00": "a time without its day?",
    "8:30 PM": "a time without its day?",
    "13-Jan-26 08:00:00.5": "day first?",
    "13 January 2026": "day first?",
    "Jan 13, 2026 8:00:00 AM": "month first?",
    "yesterday": "",
    "": "",
    "9" * 1000: "",
}

VALUES = {
    "74,99": "decimal comma?",
    "-0,5": "decimal comma?",
    "1.234,56": "decimal comma?",
    "1 234,56": "decimal comma?",
    "1,5e3": "decimal comma?",
    "1,234.5": "thousands separators?",
    "1,234,567": "thousands separators?",
    "N/A": "a word for a missing value?",
    "1 234.5": "thousands separators?",
    "1'234": "thousands separators?",
    "null": "a word for a missing value?",
    "NaN": "a word for a missing value?",
    "No Data": "a word for a missing value?",
    "Bad Input": "a word for a missing value?",
    "I/O Timeout": "a word for a missing value?",
    "#DIV/0!": "a word for a missing value?",
    "-": "a word for a missing value?",
    "74.99 °C": "a unit after the number?",
    "12%": "a unit after the number?",
    "on": "",
    "": "",
    "1,234": "decimal comma?",
}


@pytest.mark.parametrize(("text", "hint"), TIMESTAMPS.items())
def test_a_timestamp_that_is_rejected_has_a_hint(text: str, hint: str) -> None:
    assert hints.of_timestamp(text) == hint
    assert not timestamps.parse(strings([text]))[1][0]


@pytest.mark.parametrize(("text", "hint"), VALUES.items())
def test_a_value_that_is_rejected_has_a_hint(text: str, hint: str) -> None:
    assert hints.of_value(text) == hint
    assert not numbers.parse(strings([text]))[1][0]


@pytest.mark.parametrize(("text", "hint"), [*TIMESTAMPS.items(), *VALUES.items()])
def test_the_mapping_that_a_hint_names_reads_the_text(text: str, hint: str) -> None:
    is_value = VALUES.get(text) == hint
    named = hints.in_brackets(RejectKind.VALUE if is_value else RejectKind.TIMESTAMP, hint)
    _, found, option = named[1:-1].partition(" --mapping ")
    if not found or option == "ts=Date,Time":
        return
    if option == "missing=WORD":
        assert parse(f"missing='{text}'").of("").missing == (text,)
        return
    mapping = parse(option.partition(",")[0]).of("")
    texts = strings([text])
    read = (
        numbers.parse_grouped(texts, mapping.decimal)[2] if is_value else ts_formats.parse(texts, mapping)[1]
    )
    assert read.all()


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("2026-01-01,1,1,74,99", "decimal comma?"),
        ("2026-01-01,1,1,-74,99", "decimal comma?"),
        ("2026-01-01,1,1,74,x", ""),
        ("2026-01-01,1,1", ""),
        ("2026-01-01;1;1;74", "separated by semicolons?"),
        ("2026-01-01\t1\t1\t74", "separated by tabs?"),
    ],
)
def test_a_line_with_another_number_of_fields_has_a_hint(line: str, hint: str) -> None:
    assert hints.of_fields(line, 4, 3) == hint
    assert hints.of_fields("2026-01-01;1;1;74;5", 4, 3, ";") == ""


@given(st.text(), st.integers(1, 6), st.data())
def test_any_text_can_be_asked_for_a_hint(text: str, width: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, width - 1))
    for hint in (hints.of_timestamp(text), hints.of_value(text), hints.of_fields(text, width, place)):
        assert hint == "" or hint.endswith("?")
