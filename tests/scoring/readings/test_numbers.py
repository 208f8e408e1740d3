import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.arrow import strings
from scoring.readings import numbers

PLAIN = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")


def parse(*texts: str) -> list[float | None]:
    values, valid = numbers.parse(strings(texts))
    return [float(value) if good else None for value, good in zip(values, valid, strict=True)]


def expected(text: str) -> float | None:
    if PLAIN.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return None


@pytest.mark.parametrize(
    "text",
    ["1", "-1", "+1", " 1\t", "1.", ".5", "-.5e-3", "1E+5", "0001", "4.9e-324", "1e-400", "0.1", "1e308"],
)
def test_a_decimal_number_is_read_as_python_reads_it(text):
    assert parse(text) == [float(text)]
    assert parse(text, "x") == [float(text), None], "the way for mixed columns gives the same"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "-", "1e", "e5", "--1", "+-1", "1_000", "1,5", "0x10", "1 2", "1\n", "1d5", "1\0"),
        *("nan", "NaN", "nan(1)", "inf", "-inf", "Infinity", "1e309", "-1e999", "null", "True"),
        "１",  # noqa: RUF001 - a digit of another script
    ],
)
def test_what_is_not_a_finite_number_is_invalid(text):
    assert parse(text) == [None]
    assert parse("1", text, " 2") == [1.0, None, 2.0]


GROUPED = [
    ("1.234,5", "comma", 1234.5),
    ("1.234.567", "comma", 1234567.0),
    ("1 234,5", "comma", 1234.5),
    ("1\u202f234", "comma", 1234.0),
    ("1,5", "comma", 1.5),
    ("1.234", "comma", None),
    ("1.5", "comma", None),
    ("12.34,5", "comma", None),
    ("1,234.5", "point", 1234.5),
    ("-1,234,567", "point", -1234567.0),
    ("1'234.5e-1", "point", 123.45),
    ("1.5", "point", 1.5),
    ("1,234", "point", None),
    ("1,5", "point", None),
    ("1, 234", "point", None),
    ("1 23", "point", None),
]


@pytest.mark.parametrize(("text", "decimal", "value"), GROUPED)
def test_a_sign_groups_digits_only_where_it_can_mean_nothing_else(text, decimal, value):
    _, values, valid = numbers.parse_grouped(strings([text, "x"]), decimal)
    assert (values[0] if valid[0] else None, valid[1]) == (value, False)


@given(
    st.decimals(-(10**9), 10**9, places=3, allow_nan=False),
    st.sampled_from([("comma", "."), ("comma", " "), ("point", ","), ("point", "'")]),
)
def test_a_number_with_groups_of_digits_is_read_as_the_number(number, how):
    decimal, group = how
    whole, _, part = f"{number:,f}".partition(".")
    text = f"{whole.replace(',', group)}{',' if decimal == 'comma' else '.'}{part}"
    plain, values, valid = numbers.parse_grouped(strings([text]), decimal)
    assert (plain.to_pylist(), values.tolist(), valid.tolist()) == ([f"{number:f}"], [float(number)], [True])


@given(
    st.lists(st.text(st.sampled_from("0123456789+-.,' e\u00a0é"), max_size=12)),
    st.sampled_from(["comma", "point"]),
)
def test_any_column_with_a_decimal_sign_is_read_to_finite_numbers(texts, decimal):
    plain, values, valid = numbers.parse_grouped(strings(texts), decimal)
    for text, number, good in zip(plain.to_pylist(), values.tolist(), valid.tolist(), strict=True):
        assert not good or number == float(text)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_the_shortest_text_of_a_number_is_read_as_that_number(values):
    assert parse(*map(repr, values)) == values


@given(st.lists(st.text(st.sampled_from("0123456789+-.eE \tnaif\n_x"), max_size=12)))
def test_any_column_is_read_as_python_reads_each_text(texts):
    assert parse(*texts) == [expected(text) for text in texts]
