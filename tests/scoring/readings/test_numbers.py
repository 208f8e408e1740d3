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
def test_a_decimal_number_is_what_python_reads(text):
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
def test_what_is_no_finite_number_is_invalid(text):
    assert parse(text) == [None]
    assert parse("1", text, " 2") == [1.0, None, 2.0]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_the_shortest_text_of_a_number_reads_as_that_number(values):
    assert parse(*map(repr, values)) == values


@given(st.lists(st.text(st.sampled_from("0123456789+-.eE \tnaif\n_x"), max_size=12)))
def test_any_column_reads_as_python_reads_each_text(texts):
    assert parse(*texts) == [expected(text) for text in texts]
